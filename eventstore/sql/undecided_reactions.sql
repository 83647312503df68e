-- Counts the pending commands of reactors that are stored and have no outcome.
-- binds: $1 stream_created timestamptz of COMMANDS, null if it is unknown
-- result: reactor text, undecided bigint, missing bigint (those that were sent to another COMMANDS)
select pending.reactor, count(*), count(*) filter (where pending.stream_created <> $1)
from (select distinct command_id, stream_created, command::json ->> 'reactor' as reactor from pending_commands)
     as pending
left join lateral (
    select true as yes from commands where commands.command_id = pending.command_id offset 0
) as decided on true
where decided.yes is null and pending.reactor is not null
group by 1
