-- Reads the oldest pending commands of streams other than this one.
-- binds: $1 stream_created timestamptz  $2 limit int
-- result: row text (its ctid), command_id uuid, command text, decided bool (whether it has an outcome)
select lost.row::text, lost.command_id, lost.command, decided.yes is not null as decided
from (
    (select ctid as row, command_id, stream_created, due, command from pending_commands
     where stream_created < $1 order by stream_created, due limit $2)
    union all
    (select ctid, command_id, stream_created, due, command from pending_commands
     where stream_created > $1 order by stream_created, due limit $2)
) as lost
left join lateral (
    select true as yes from commands where commands.command_id = lost.command_id offset 0
) as decided on true
order by lost.stream_created, lost.due
