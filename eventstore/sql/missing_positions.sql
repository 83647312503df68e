-- The positions of a range without an event.
-- binds: $1 after bigint  $2 up to bigint  $3 limit int
-- result: position bigint
select position
from generate_series($1::bigint + 1, $2::bigint) as wanted (position)
where not exists (select from events where events.position = wanted.position)
order by position limit $3
