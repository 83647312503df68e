-- Reads which code has left which partition, and whether other code has settled it since.
-- binds: $1 application text; null for all
-- result: see Refusal
select r.application, r.partition, r.fingerprint, r.command_id, r.position, r.needs, r.refused_at,
       case when r.command_id is not null
            then exists (select from commands as c where c.command_id = r.command_id)
            else coalesce((select p.position >= r.position from reactor_partitions as p
                           where 'commander reactor ' || p.reactor = r.application
                             and p.partition = r.partition), false)
       end as settled
from refused_partitions as r
where $1::text is null or r.application = $1
order by r.application, r.partition, r.refused_at
