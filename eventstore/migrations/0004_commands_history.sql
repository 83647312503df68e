-- Listing commands, setting aside those that crash their processor, dead letters, snapshots.
alter table log_head add column commands bigint not null default 0;
alter table commands add column number bigint not null;
create unique index commands_number on commands (number);
create index commands_failed on commands (position) where status = 'FAILED';

alter table partitions add column running boolean not null default false;

create table attempts (
    command_id uuid primary key,
    count integer not null,
    last_at timestamptz not null default now()
);

create table dead_letter_actions (
    command_id uuid primary key references commands,
    action text not null check (action in ('RETRIED', 'DROPPED')),
    retried_as uuid,
    actor text,
    at timestamptz not null default now()
);

create table snapshots (
    stream text primary key,
    version bigint not null,
    fingerprint text not null,
    state json not null,
    taken_at timestamptz not null default now()
);
