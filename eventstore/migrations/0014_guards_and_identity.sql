-- Guards: what a failed command was guarded by when it was sent, so that its retry is guarded too.
-- Null for a command without a guard, for one that did not fail, and for outcomes older than this column.
alter table commands add column guards json;

-- The identity of the system, made once. The streams on NATS carry it. The name is set by the first part that starts.
-- A database that an earlier version migrated has the empty name: its streams on NATS are named without one.
create table system_identity (
    only_row boolean primary key default true check (only_row),
    id uuid not null default gen_random_uuid(),
    name text
);
insert into system_identity (name)
select case when exists (select from schema_migrations where applied_at < now()) then '' end;
