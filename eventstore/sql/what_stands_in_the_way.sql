-- What keeps a store from being imported into: the first thing found that is not as in a new one, or null.
-- The parts of Commander that work on it are found by their locks, see locks.py.
-- binds: $1 class ids of their locks bigint[]
-- result: text
select case
    when (select position > 0 or commands > 0 from log_head)
        then 'its log has ' || (select position from log_head) || ' events of '
             || (select commands from log_head) || ' commands'
    when exists (select from projections where position > 0) then 'a projection stands beyond the beginning'
    when exists (select from reactors where position > 0)
        or exists (select from reactor_partitions where position > 0) then 'a reactor stands beyond the beginning'
    when exists (select from snapshots) then 'it has snapshots'
    when exists (select from pg_locks
                 where locktype = 'advisory' and classid::bigint = any($1::bigint[])
                   and database = (select oid from pg_database where datname = current_database()))
        then 'a processor, relay, projections or reactors run on it: stop them first'
end
