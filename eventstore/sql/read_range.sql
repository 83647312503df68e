-- Reads the events of some types in a range of the log, in order: the input of a projection.
-- binds: $1 after bigint  $2 up to and including bigint  $3 types text[]  $4 limit int
select position, type, schema_version, data
from events
where position > $1 and position <= $2 and type = any($3)
order by position
limit $4
