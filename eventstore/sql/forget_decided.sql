-- Deletes pending commands that have an outcome, among the oldest that are due. Each outcome is a lookup in the index,
-- and each deletion goes to its row, with any plan.
-- binds: $1 stream_created timestamptz  $2 limit int
-- result: seen bigint, forgotten bigint
with oldest as materialized (
    select ctid, command_id from pending_commands
    where stream_created = $1 and due <= now()
    order by due
    limit $2
),
forgotten as (
    delete from pending_commands
    where ctid = any(array(
        select oldest.ctid from oldest
        cross join lateral (
            select from commands where commands.command_id = oldest.command_id offset 0
        ) as decided
    ))
    returning 1
)
select (select count(*) from oldest) as seen, (select count(*) from forgotten) as forgotten
