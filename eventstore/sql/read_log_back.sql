-- Reads the events in a range of the log that match a filter, newest first.
-- binds: $1 after bigint  $2 up to and including bigint  $3 types text[] or null  $4 streams text[] or null
--        $5 aggregates text[] or null  $6 correlation_id uuid or null  $7 command_id uuid or null  $8 limit int
select position, stream, version, type, schema_version, data, command_id, correlation_id, causation_position,
       recorded_at, traceparent
from events
where position > $1 and position <= $2
  and ($3::text[] is null or type = any($3))
  and ($4::text[] is null or stream = any($4))
  and ($5::text[] is null or split_part(stream, '-', 1) = any($5))
  and ($6::uuid is null or correlation_id = $6)
  and ($7::uuid is null or command_id = $7)
order by position desc
limit $8
