-- The one outcome of each command, and how far each partition of the COMMANDS stream is decided.
create table commands (
    command_id uuid primary key,
    type text not null,
    stream text not null,
    data json not null,
    digest bytea not null,
    status text not null check (status in ('APPLIED', 'REJECTED', 'FAILED')),
    code text,
    message text,
    position bigint not null,
    event_count integer not null,
    version bigint not null,
    correlation_id uuid not null,
    causation_position bigint,
    reactor text,
    actor text,
    submitted_at timestamptz not null,
    decided_at timestamptz not null
);

create table partitions (
    partition integer primary key,
    stream_created timestamptz,
    sequence bigint not null default 0
);
