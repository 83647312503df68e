-- Marks partitions as running, except those that another run has left marked: their next commands are decided in quarantine first.
-- (A process of the version before sets `running` alone. Its mark is another run's.)
-- binds: $1 partition int[]  $2 owner uuid (this run)
-- result: owner, partitions int[]: the partitions that were left marked, one row per owner
with before as (
    select partition, owner, running and owner is distinct from $2 as left_marked
    from partitions
    where partition = any($1::int[])
    for update
),
marked as (
    update partitions
    set running = true, owner = $2
    from before
    where partitions.partition = before.partition and not before.left_marked
)
select owner, array_agg(partition order by partition) as partitions
from before
where left_marked
group by owner
order by min(partition)
