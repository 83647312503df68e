-- Reads the next events of many streams, each after its own version.
-- binds: $1 stream text[]  $2 after version bigint[]  $3 limit per stream int
select e.position, e.stream, e.version, e.type, e.schema_version, e.data, e.command_id, e.correlation_id,
       e.causation_position, e.recorded_at, e.traceparent
from unnest($1::text[], $2::bigint[]) as wanted (stream, after)
cross join lateral (
    select * from events
    where events.stream = wanted.stream and events.version > wanted.after
    order by events.version
    limit $3
) as e
order by e.stream, e.version
