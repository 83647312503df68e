-- Finds the outcomes of a range that do not follow the one before, or whose parts contradict one another.
-- The positions of an outcome's events end at its position, and begin after that of the outcome before.
-- The version of an outcome without events may be older than its position: who cancels a command reads it before.
-- binds: $1 after number bigint  $2 up to number bigint
-- result: number, command_id, status, code, message, event_count, version, stream, position,
--         before_number, before_position (0 before the first; null if the outcome before is missing),
--         wrong text[]: number, position, time, status, count, version
with ordered as (
    select number, command_id, status, code, message, event_count, version, stream, position, reactor, decided_at,
           case number when 1 then 0 else lag(number) over by_number end as before_number,
           case number when 1 then 0 else lag(position) over by_number end as before_position,
           lag(decided_at) over by_number as before_at
    from commands where number >= $1 and number <= $2
    window by_number as (order by number)
),
checked as (
    select *,
           before_number is distinct from number - 1 as wrong_number,
           before_position is not null and position <> before_position + event_count as wrong_position,
           coalesce(decided_at < before_at, false) as wrong_time,
           (status = 'APPLIED') <> (code is null) or (status = 'APPLIED') <> (message is null) as wrong_status,
           event_count < 0 or (status <> 'APPLIED' and event_count > case when reactor is null then 0 else 1 end)
               as wrong_count,
           case when status <> 'APPLIED' or event_count = 0
               then version < 0
                   or (version > 0 and not exists (
                       select from events as e
                       where e.stream = ordered.stream and e.version = ordered.version and e.position <= ordered.position))
               else false end as wrong_version
    from ordered where number > $1
)
select number, command_id, status, code, message, event_count, version, stream, position, before_number,
       before_position,
       array_remove(array[
           case when wrong_number then 'number' end, case when wrong_position then 'position' end,
           case when wrong_time then 'time' end, case when wrong_status then 'status' end,
           case when wrong_count then 'count' end, case when wrong_version then 'version' end
       ], null) as wrong
from checked
where wrong_number or wrong_position or wrong_time or wrong_status or wrong_count or wrong_version
order by number limit 200
