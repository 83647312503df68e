-- Finds the sessions whose process has no presence, see presence.py, and ends those that had none at the last look.
-- Sessions of another role cannot be ended, so they are left out.
-- binds: $1 class id of presences bigint  $2 class id of bound sessions bigint  $3 pids found at the last look int[]
-- result: pid int, application_name text, ended boolean (null: found for the first time)
with locks as materialized (
    select pid, classid::bigint as class, objid
    from pg_locks
    where locktype = 'advisory' and granted and classid::bigint in ($1, $2)
      and database = (select oid from pg_database where datname = current_database())
)
select bound.pid, a.application_name,
       case when bound.pid = any($3::int[]) then pg_terminate_backend(bound.pid) end as ended
from locks as bound
join pg_stat_activity as a on a.pid = bound.pid and a.usename = current_user
where bound.class = $2
  and not exists (select from locks as present where present.class = $1 and present.objid = bound.objid)
