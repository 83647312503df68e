-- Reads the events of some types in a range of the log, in order: the input of a projection.
-- The page has a maximum of events, and ends with the event that reaches the bytes. octet_length() does not read what is
-- stored out of line.
-- binds: $1 after bigint  $2 up to and including bigint  $3 types text[]  $4 limit int  $5 bytes bigint
-- result: position, type, schema_version, data; bytes: the sum up to this event
select position, type, schema_version, data, bytes
from (
    select *, sum(octet_length(data::text)) over (order by position rows unbounded preceding) as bytes
    from (
        select position, type, schema_version, data
        from events
        where position > $1 and position <= $2 and type = any($3)
        order by position
        limit $4
    ) as page
) as sized
where bytes - octet_length(data::text) < $5
order by position
