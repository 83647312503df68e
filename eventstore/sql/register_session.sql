-- Stores the code that a session runs. Rows of sessions that have ended are deleted: they hold no advisory lock.
-- The session calls it after it has its first advisory lock, so that nobody deletes its row.
-- binds: $1 application text  $2 fingerprint text  $3 host text  $4 process int
-- result: none
with ended as (
    delete from code_sessions as s
    where s.pid <> pg_backend_pid()
      and not exists (select from pg_locks as l
                      where l.pid = s.pid and l.locktype = 'advisory' and l.granted
                        and l.database = (select oid from pg_database where datname = current_database()))
)
insert into code_sessions (pid, application, fingerprint, host, process)
values (pg_backend_pid(), $1, $2, $3, $4)
on conflict (pid) do update
set application = excluded.application, fingerprint = excluded.fingerprint, host = excluded.host,
    process = excluded.process, started_at = now()
