-- Reads the next commands in the order of their outcomes, each with the action taken on its dead letter.
-- A retry is left out unless its command is exported too: without that command, an import would lose the dead letter.
-- binds: $1 after number bigint  $2 up to and including number bigint  $3 limit int
select c.command_id, c.type, c.stream, c.data, c.digest, c.status, c.code, c.message, c.position, c.event_count,
       c.version, c.correlation_id, c.causation_position, c.reactor, c.actor, c.submitted_at, c.decided_at,
       c.number, c.decider_now, c.guards, a.action, a.retried_as, a.actor, a.at
from commands as c
left join dead_letter_actions as a
    on a.command_id = c.command_id
    and (a.retried_as is null
         or exists (select from commands as r where r.command_id = a.retried_as and r.number <= $2))
where c.number > $1 and c.number <= $2
order by c.number
limit $3
