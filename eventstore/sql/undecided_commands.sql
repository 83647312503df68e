-- Reads the pending commands that are stored, a page, in the order in which they were sent.
-- binds: the last row before: $1 stream_created timestamptz  $2 due timestamptz  $3 command_id uuid;
--        $4 limit int  $5 reactor text, null for all senders
-- result: stream_created, due, command_id, command text: null if it has an outcome or is of another sender
select pending.stream_created, pending.due, pending.command_id,
       case when decided.yes is null and ($5::text is null or pending.command::json ->> 'reactor' = $5)
            then pending.command end as command
from (
    select stream_created, due, command_id, command from pending_commands
    where (stream_created, due, command_id) > ($1, $2, $3)
    order by stream_created, due, command_id
    limit $4
) as pending
left join lateral (
    select true as yes from commands where commands.command_id = pending.command_id offset 0
) as decided on true
order by pending.stream_created, pending.due, pending.command_id
