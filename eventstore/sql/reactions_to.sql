-- Reads the commands that reactors sent in reaction to these events, by event, in the order of their outcomes.
-- binds: $1 position bigint[]  $2 limit per event int  $3 limit of all together int
select c.command_id, c.type, c.stream, c.data, c.digest, c.status, c.code, c.message, c.position, c.event_count,
       c.version, c.correlation_id, c.causation_position, c.reactor, c.actor, c.submitted_at, c.decided_at,
       c.number, c.decider_now, c.guards
from unnest($1::bigint[]) as wanted (position)
cross join lateral (
    select * from commands
    where commands.causation_position = wanted.position
    order by commands.number
    limit $2
) as c
order by c.causation_position, c.number
limit $3
