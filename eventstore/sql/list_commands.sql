-- Reads a page of decided commands between two cursors, newest first.
-- binds: $1 before number bigint or null  $2 statuses text[] or null  $3 types text[] or null
--        $4 streams text[] or null  $5 correlation_id uuid or null  $6 actor text or null  $7 limit int
--        $8 after number bigint  $9 subject that sent them text or null
select command_id, type, stream, data, digest, status, code, message, position, event_count, version,
       correlation_id, causation_position, reactor, actor, submitted_at, decided_at, number,
       decider_now, guards
from commands
where ($1::bigint is null or number < $1)
  and number > $8
  and ($2::text[] is null or status = any($2))
  and ($3::text[] is null or type = any($3))
  and ($4::text[] is null or stream = any($4))
  and ($5::uuid is null or correlation_id = $5)
  and ($6::text is null or actor = $6)
  and ($9::text is null or guards -> 'sender' ->> 'subject' = $9)
order by number desc
limit $7
