-- Finds the events of a range of the log that do not fit their outcomes.
-- binds: $1 after position bigint  $2 up to position bigint
--        $3, $4 the first and the last number of the outcomes that are compared bigint
--        $5 types of commands whose events may be in several streams text[]
-- result: at most 200 rows: event columns, outcome columns (null: none of these outcomes has its command)
select e.position, e.stream, e.version, e.type, e.command_id, e.correlation_id, e.causation_position,
       e.recorded_at, c.command_id is not null as decided, c.stream as command_stream, c.status,
       c.position as last, c.event_count, c.version as last_version, c.correlation_id as command_correlation,
       c.causation_position as command_causation, c.decided_at
from events as e left join commands as c on c.command_id = e.command_id and c.number >= $3 and c.number <= $4
where e.position > $1 and e.position <= $2 and (
    e.position <= c.position and e.position > c.position - c.event_count
    and case when c.status = 'APPLIED'
        then case when e.stream = c.stream
            then e.version = c.version - (c.position - e.position)
                or c.type = any($5) and e.version = c.version - (
                    select count(*) from events as o
                    where o.position > e.position and o.position <= c.position and o.stream = c.stream)
            else c.type = any($5)
        end
        else e.stream = 'reaction-' || c.command_id and e.version = 1 and e.type = 'ReactionRejected'
    end
    and e.correlation_id = c.correlation_id
    and e.causation_position is not distinct from c.causation_position
    and e.recorded_at = c.decided_at
) is not true
order by e.position limit 200
