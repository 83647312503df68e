-- Reads the failed commands that are neither retried nor dropped, oldest first. A retry counts once it is submitted.
-- binds: $1 limit int
select c.command_id, c.type, c.stream, c.data, c.digest, c.status, c.code, c.message, c.position, c.event_count,
       c.version, c.correlation_id, c.causation_position, c.reactor, c.actor, c.submitted_at, c.decided_at,
       c.number, c.decider_now, c.guards
from commands as c
where c.status = 'FAILED'
  and not exists (select from dead_letter_actions as a where a.command_id = c.command_id and a.submitted)
order by c.number
limit $1
