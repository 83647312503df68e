-- The log: events at dense positions, and the one row that hands positions out.
create table log_head (
    only_row boolean primary key default true check (only_row),
    position bigint not null,
    recorded_at timestamptz not null
);
insert into log_head (position, recorded_at) values (0, now());

create table events (
    position bigint primary key check (position > 0),
    stream text not null,
    version bigint not null check (version > 0),
    type text not null,
    schema_version integer not null,
    data json not null,
    command_id uuid not null,
    correlation_id uuid not null,
    causation_position bigint,
    recorded_at timestamptz not null,
    constraint events_stream_version unique (stream, version)
);

-- Facts are never changed or forgotten.
create function events_are_immutable() returns trigger language plpgsql as $$
begin
    raise exception 'the log is append-only' using errcode = 'restrict_violation';
end $$;
create trigger events_are_immutable before update or delete on events
    for each row execute function events_are_immutable();
create trigger events_are_not_truncated before truncate on events
    for each statement execute function events_are_immutable();
