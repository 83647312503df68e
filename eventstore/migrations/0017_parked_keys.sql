-- Parked keys: a key of a reactor whose event failed. Its later events wait in the log until a retry.
-- position: the failing event. handled_position: the key's events up to it are handled or skipped.
-- sent_position: the commands of its events up to it were sent. fingerprint: the code that failed.
create table reactor_failures (
    number bigint generated always as identity unique,
    reactor text not null references reactors (name),
    key text not null,
    partition integer not null,
    state text not null check (state in ('PARKED', 'RETRYING')),
    position bigint not null,
    handled_position bigint not null,
    sent_position bigint not null,
    event_type text not null,
    error text not null,
    traceback text not null,
    attempts integer not null,
    fingerprint text not null,
    parked_at timestamptz not null default now(),
    failed_at timestamptz not null default now(),
    primary key (reactor, key)
);

create table reactor_actions (
    reactor text not null references reactors (name),
    key text not null,
    position bigint not null,
    action text not null check (action in ('RETRIED', 'SKIPPED')),
    actor text,
    at timestamptz not null default now()
);
create index reactor_actions_key on reactor_actions (reactor, key);
create index reactor_actions_skipped on reactor_actions (reactor, position) where action = 'SKIPPED';
