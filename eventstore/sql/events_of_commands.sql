-- Reads several ranges of the log, one per command. `offset 0` makes each range a lookup in the index.
-- binds: $1 after bigint[]  $2 up to and including bigint[]  $3 limit int
select e.position, e.stream, e.version, e.type, e.schema_version, e.data, e.command_id, e.correlation_id,
       e.causation_position, e.recorded_at, e.traceparent
from unnest($1::bigint[], $2::bigint[]) with ordinality as wanted (after, up_to, n)
cross join lateral (
    select * from events
    where events.position > wanted.after and events.position <= wanted.up_to
    order by events.position
    offset 0
) as e
order by wanted.n, e.position
limit $3
