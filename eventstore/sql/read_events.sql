-- Reads the events at some positions.
-- binds: $1 positions bigint[]
-- result: event columns, oldest first
select position, stream, version, type, schema_version, data, command_id, correlation_id, causation_position,
       recorded_at, traceparent
from events where position = any($1::bigint[]) order by position
