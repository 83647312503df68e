-- The names under which events and commands are stored, with their counts.
-- Counted up to a position of the log and a number of the outcomes. Every part compares them with its code at its start.
create table stored_names (
    kind text not null check (kind in ('event', 'command')),
    aggregate text not null,
    name text not null,
    count bigint not null,
    primary key (kind, aggregate, name)
);
create table stored_names_counted (
    only_row boolean primary key default true check (only_row),
    position bigint not null,
    commands bigint not null
);

-- The events that a table skipped while it was built, because its code did not know their types: counts by type.
alter table projections add column skipped json;

-- The head of the log after an import: all events up to it are history for every effect.
alter table log_head add column imported_position bigint not null default 0;

-- The tick of each recurring command that is set ahead, and its commands: whoever has other code takes them back.
create table recurring (
    name text primary key,
    cron text not null,
    tick timestamptz not null,
    commands json not null,
    updated_at timestamptz not null default now()
);
