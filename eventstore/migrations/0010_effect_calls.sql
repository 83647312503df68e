-- Calls of effects that were begun: how often each was tried, stored before it is tried.
create table effect_calls (
    effect text not null,
    position bigint not null,
    attempts integer not null check (attempts > 0),
    state text not null check (state in ('RUNNING', 'ALONE', 'WAITING', 'DONE')),
    primary key (effect, position)
);
