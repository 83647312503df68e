-- Reads which sessions share partitions, and which session owns each.
-- binds: $1 lock of the members bigint  $2 its key bigint (unsigned)  $3 lock of a partition bigint
--        $4 keys of the partitions bigint[] (unsigned)  $5 application text
--        $6 lock of those that stand by bigint, its key is $2
-- result: pid int; fingerprint text (null if the session has not told it); key bigint of an owned partition, or
--         null in the row that tells that the session is a member; stands_by bool, of a row that tells only that
select l.pid, s.fingerprint, case when l.classid = $3 then l.objid::bigint end as key, l.classid = $6 as stands_by
from pg_locks as l
left join code_sessions as s on s.pid = l.pid and s.application = $5
where l.locktype = 'advisory' and l.granted
  and l.database = (select oid from pg_database where datname = current_database())
  and ((l.classid in ($1, $6) and l.objid = $2::bigint) or (l.classid = $3 and l.objid::bigint = any($4::bigint[])))
order by l.pid
