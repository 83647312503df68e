-- Reads the sessions that share partitions now, and the code that each runs.
-- binds: none
-- result: see Session; owned is the number of partitions whose lock the session holds
select s.pid, s.application, s.fingerprint, c.domain, c.commands, c.events, c.aggregates, s.host, s.process,
       s.started_at, locks.owned
from code_sessions as s
join domain_codes as c using (fingerprint)
join (
    select pid, count(*) filter (where classid in (0x434d02, 0x434d06)) as owned  -- PARTITION, REACTOR in locks.py
    from pg_locks
    where locktype = 'advisory' and granted
      and database = (select oid from pg_database where datname = current_database())
    group by pid
) as locks on locks.pid = s.pid
order by s.application, s.started_at, s.pid
