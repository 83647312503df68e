-- Counts the newest outcomes after a number by their status.
-- binds: $1 after number bigint  $2 at most so many outcomes int
-- result: status text; count bigint
select status, count(*)
from (select status from commands where number > $1 order by number desc limit $2) as newest
group by status
