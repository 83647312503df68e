-- Reads pages of events in an index: those with a value after a position, in order.
-- binds: $1 index int  $2 place int[]  $3 value text[]  $4 after bigint[]  $5 limit int (of each value)
-- result: the place and the value that an event was asked for with, then the event
select asked.place, asked.value, found.position, stream, version, type, schema_version, data, command_id, correlation_id,
       causation_position, recorded_at, traceparent
from unnest($2::int[], $3::text[], $4::bigint[]) as asked (place, value, after),
     lateral (select e.*
              from event_tags as t join events as e using (position)
              where t.index_id = $1 and t.value = asked.value and t.position > asked.after
              order by t.position limit $5) as found
order by asked.place, found.position
