-- Finds checkpoints that are beyond the end of the log, or of what they belong to.
-- binds: none
-- result: what text (projection, effect, reactor, snapshot, names), name text, position bigint, newest bigint
with head as materialized (
    select position, commands from log_head
)
select 'projection' as what, table_name as name, p.position, head.position as newest
from projections as p, head where p.position > head.position
union all
select 'effect', name, e.position, head.position from effects as e, head where e.position > head.position
union all
select 'reactor', name, r.position, head.position
from (
    select name, greatest(position, folded_position) as position from reactors
    union all
    select reactor, greatest(position, folded_position) from reactor_partitions
) as r, head
where r.position > head.position
union all
select 'names', '', n.position, head.position
from stored_names_counted as n, head where n.position > head.position or n.commands > head.commands
union all
(select 'snapshot', stream, s.version, coalesce((select max(version) from events where stream = s.stream), 0)
 from snapshots as s
 where not exists (select from events as e where e.stream = s.stream and e.version = s.version)
 order by stream limit 100)
