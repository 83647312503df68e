-- Compares the events of a range of the log with their outcomes.
-- binds: $1 after position bigint  $2 up to position bigint
--        $3, $4 the first and the last number of the outcomes that are compared bigint
-- result: seen bigint (how many events the range has), and one row per event that does not fit its outcome:
--         event columns, outcome columns (null: none of these outcomes has its command). Without any, one row of nulls.
with decided as materialized (
    select command_id, stream, status, position, event_count, version, correlation_id, causation_position, decided_at
    from commands where number >= $3 and number <= $4
),
compared as materialized (
    select e.position, e.stream, e.version, e.type, e.command_id, e.correlation_id, e.causation_position,
           e.recorded_at, c.command_id is not null as decided, c.stream as command_stream, c.status,
           c.position as last, c.event_count, c.version as last_version, c.correlation_id as command_correlation,
           c.causation_position as command_causation, c.decided_at,
           e.position <= c.position and e.position > c.position - c.event_count
           and case when c.status = 'APPLIED'
               then e.stream = c.stream and e.version = c.version - (c.position - e.position)
               else e.stream = 'reaction-' || c.command_id and e.version = 1 and e.type = 'ReactionRejected'
           end
           and e.correlation_id = c.correlation_id
           and e.causation_position is not distinct from c.causation_position
           and e.recorded_at = c.decided_at as fits
    from events as e left join decided as c using (command_id)
    where e.position > $1 and e.position <= $2
),
counted as (
    select count(*) as seen from compared
)
select counted.seen, c.position, c.stream, c.version, c.type, c.command_id, c.correlation_id, c.causation_position,
       c.recorded_at, c.decided, c.command_stream, c.status, c.last, c.event_count, c.last_version,
       c.command_correlation, c.command_causation, c.decided_at
from counted left join (select * from compared where fits is not true order by position limit 200) as c on true
order by c.position
