-- The outcomes of those of these commands that have one.
-- binds: $1 command_id uuid[]
select command_id, type, stream, data, digest, status, code, message, position, event_count, version,
       correlation_id, causation_position, reactor, actor, submitted_at, decided_at, number
from commands
where command_id = any($1::uuid[])
