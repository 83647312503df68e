-- Finds the streams whose versions are not 1, 2, 3 … without gaps. It reads the whole log.
-- What is appended meanwhile is seen whole or not at all, so it is no gap.
-- binds: none
-- result: stream text, many bigint, first bigint, last bigint
select stream, count(*) as many, min(version) as first, max(version) as last
from events
group by stream having (min(version), max(version)) <> (1, count(*))
order by stream limit 100
