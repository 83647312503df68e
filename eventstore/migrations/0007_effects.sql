-- Effects outside: how far each has come, calls that failed for good, and what was done with those.
create table effects (
    name text primary key,
    position bigint not null,
    updated_at timestamptz not null default now()
);

create table effect_failures (
    effect text not null,
    position bigint not null,
    state text not null check (state in ('FAILED', 'RETRYING', 'DONE', 'DROPPED')),
    attempts integer not null,
    error text not null,
    failed_at timestamptz not null default now(),
    primary key (effect, position)
);
create index effect_failures_open on effect_failures (failed_at) where state in ('FAILED', 'RETRYING');

create table effect_actions (
    effect text not null,
    position bigint not null,
    action text not null check (action in ('RETRIED', 'DROPPED')),
    actor text,
    at timestamptz not null default now(),
    foreign key (effect, position) references effect_failures
);
create index effect_actions_failure on effect_actions (effect, position);
