-- Commands that have ended, the newest first, a page behind a cursor.
-- binds: $1 before position bigint or null  $2 before command_id uuid (with $1)  $3 statuses text[] or null
--        $4 types text[] or null  $5 streams text[] or null  $6 correlation_id uuid or null
--        $7 actor text or null  $8 limit int
select command_id, type, stream, data, digest, status, code, message, position, event_count, version,
       correlation_id, causation_position, reactor, actor, submitted_at, decided_at
from commands
where ($1::bigint is null or (position, command_id) < ($1, $2::uuid))
  and ($3::text[] is null or status = any($3))
  and ($4::text[] is null or type = any($4))
  and ($5::text[] is null or stream = any($5))
  and ($6::uuid is null or correlation_id = $6)
  and ($7::text is null or actor = $7)
order by position desc, command_id desc
limit $8
