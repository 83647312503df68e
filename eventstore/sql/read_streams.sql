-- Reads the next events of many streams, each after its own version.
-- The page ends with the event that reaches the bytes. octet_length() does not read what is stored out of line.
-- binds: $1 stream text[]  $2 after version bigint[]  $3 limit per stream int  $4 bytes bigint or null
-- result: the events, in the order of the streams as asked for; bytes: the sum up to this event
select position, stream, version, type, schema_version, data, command_id, correlation_id, causation_position,
       recorded_at, traceparent, bytes
from (
    select e.*, wanted.n,
           sum(octet_length(e.data::text)) over (order by wanted.n, e.version rows unbounded preceding) as bytes
    from unnest($1::text[], $2::bigint[]) with ordinality as wanted (stream, after, n)
    cross join lateral (
        select * from events
        where events.stream = wanted.stream and events.version > wanted.after
        order by events.version
        limit $3
    ) as e
) as sized
where $4::bigint is null or bytes - octet_length(data::text) < $4
order by n, version
