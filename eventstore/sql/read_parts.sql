-- Reads parts of streams, each from a version to another, with what a fold needs.
-- binds: $1 streams text[]  $2 after version bigint[]  $3 up to version bigint[]
-- result: stream, version, position, type, schema_version, data; ordered by stream and version
select e.stream, e.version, e.position, e.type, e.schema_version, e.data
from unnest($1::text[], $2::bigint[], $3::bigint[]) as part (stream, after, up_to)
cross join lateral (
    select * from events
    where events.stream = part.stream and events.version > part.after and events.version <= part.up_to
) as e
order by e.stream, e.version
