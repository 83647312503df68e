-- Reads a page of the events with one of these values in an index, after a position, in order.
-- binds: $1 index int  $2 values text[]  $3 after bigint  $4 limit int
select position, stream, version, type, schema_version, data, command_id, correlation_id, causation_position,
       recorded_at, traceparent
from events
where position in (
    select position from event_tags where index_id = $1 and value = any($2) and position > $3
    order by position limit $4)
order by position
