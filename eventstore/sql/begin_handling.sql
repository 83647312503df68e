-- Marks handlers of events as those of this run, except those that another run has left marked and those that are set aside.
-- binds: $1 handlers text[]  $2 run uuid
-- result: handler, deaths, cause: the handlers that are not marked
with before as (
    select handler, deaths, cause
    from handling
    where handler = any($1::text[]) and (run <> $2 or deaths >= 3)
    for update
),
marked as (
    insert into handling (handler, run)
    select handler, $2 from unnest($1::text[]) as handler
    where handler not in (select handler from before)
    on conflict (handler) do update set run = excluded.run, deaths = 0, cause = null
)
select handler, deaths, cause from before
