-- Deletes pending commands that have an outcome, among the oldest that are due.
-- Each outcome is a lookup in the index, and each deletion goes to its row, with any plan.
-- binds: $1 stream_created timestamptz  $2 limit int  $3 the time that they were due from timestamptz
-- result: seen bigint, forgotten bigint, left_due timestamptz: of the oldest one that was seen and has no outcome,
--         last_due timestamptz: of the last one that was seen
with oldest as materialized (
    select pending.ctid, pending.due, decided.yes is not null as decided
    from (
        select ctid, command_id, due from pending_commands
        where stream_created = $1 and due <= now() and due >= $3
        order by due
        limit $2
    ) as pending
    left join lateral (
        select true as yes from commands where commands.command_id = pending.command_id offset 0
    ) as decided on true
),
forgotten as (
    delete from pending_commands
    where ctid = any(array(select oldest.ctid from oldest where decided))
    returning 1
)
select count(*) as seen, (select count(*) from forgotten) as forgotten,
       min(due) filter (where not decided) as left_due, max(due) as last_due
from oldest
