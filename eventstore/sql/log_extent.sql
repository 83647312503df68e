-- Where and when the log begins and ends, by the clock that events are recorded by; no row for an empty one.
-- binds: none
-- result: head bigint, begin timestamptz, now timestamptz (not before the newest event)
select log_head.position as head, events.recorded_at as begin,
       greatest(log_head.recorded_at, clock_timestamp()) as now
from log_head
join events on events.position = 1
