-- Gives the first reason why a store is not empty, so that nothing can be imported into it.
-- Running parts of Commander are found by their locks, see locks.py.
-- binds: $1 class ids of their locks bigint[]
-- result: text; null if the store is empty
select case
    when (select position > 0 or commands > 0 from log_head)
        then 'its log has ' || (select position from log_head) || ' events of '
             || (select commands from log_head) || ' commands'
    when exists (select from projections where position > 0) then 'a projection has a checkpoint above 0'
    when exists (select from reactors where position > 0)
        or exists (select from reactor_partitions where position > 0) then 'a reactor has a checkpoint above 0'
    when exists (select from snapshots) then 'it has snapshots'
    when exists (select from pg_locks
                 where locktype = 'advisory' and classid::bigint = any($1::bigint[])
                   and database = (select oid from pg_database where datname = current_database()))
        then 'processors, relays, projections, reactors or effects are running on it: stop them first'
end
