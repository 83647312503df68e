-- Reads the last events of many streams, newest first, each before the same version.
-- binds: $1 stream text[]  $2 before version bigint  $3 limit per stream int  $4 after version bigint
select e.position, e.stream, e.version, e.type, e.schema_version, e.data, e.command_id, e.correlation_id,
       e.causation_position, e.recorded_at, e.traceparent
from unnest($1::text[]) with ordinality as wanted (stream, n)
cross join lateral (
    select * from events
    where events.stream = wanted.stream and events.version < $2 and events.version > $4
    order by events.version desc
    limit $3
) as e
order by n, version desc
