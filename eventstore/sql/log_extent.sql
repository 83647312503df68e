-- Reads the extent of the log, with times of the clock that events are recorded with; no row for an empty log.
-- binds: none
-- result: head bigint, begin timestamptz, now timestamptz (never earlier than the newest event)
select log_head.position as head, events.recorded_at as begin,
       greatest(log_head.recorded_at, clock_timestamp()) as now
from log_head
join events on events.position = 1
