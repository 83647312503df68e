-- Which run handles events, so that the next one detects its death, and the event that may have caused it.
-- handler: a projection's table, a partition of a reactor, or the retry of a parked key.
create table handling (
    handler text primary key,
    run uuid not null,
    deaths integer not null default 0,
    cause bigint
);
