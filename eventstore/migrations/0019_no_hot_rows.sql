-- No row is updated again and again: while a long snapshot lasts, each update of such a row is slower than the last.
-- (Postgres keeps all versions of a row that the snapshot may still see, and each look at the row passes them.)
create table log_lock (
    only_row boolean primary key default true check (only_row),
    imported_position bigint not null default 0
);
insert into log_lock (imported_position) select imported_position from log_head;
drop table log_head;

-- The end of the log, from the ends of two indexes. Without the setting, a plan that was made for few rows reads all rows.
create function log_end(out head bigint, out outcomes bigint, out newest_at timestamptz)
language plpgsql stable set enable_seqscan to off as $$
begin
    select coalesce(max(position), 0) into head from events;
    select number, decided_at into outcomes, newest_at from commands order by number desc limit 1;
    outcomes := coalesce(outcomes, 0);
    newest_at := coalesce(newest_at, 'epoch');
end $$;

create view log_head as
select head as position, newest_at as recorded_at, outcomes as commands, imported_position
from log_lock, log_end();

-- Blocks appends until the transaction ends. The end of the log is read by a statement of its own: its snapshot is taken
-- after the wait for the lock, so it contains the append before.
create function lock_log(out head bigint, out outcomes bigint, out newest_at timestamptz)
language plpgsql as $$
begin
    perform from log_lock for update;
    select log_end.head, log_end.outcomes, log_end.newest_at into head, outcomes, newest_at from log_end();
end $$;

-- One row for each partition. All columns are the key: each version of the row has a place of its own in the index, the newest
-- at its end.
create table progress (
    partition integer not null,
    stream_created timestamptz not null,
    sequence bigint not null,
    primary key (partition, stream_created, sequence)
);
insert into progress select partition, coalesce(stream_created, '-infinity'), sequence from partitions;
alter table partitions drop column stream_created, drop column sequence;

create function move_progress(moved integer[], created timestamptz, reached bigint) returns void
language plpgsql set enable_seqscan to off set plan_cache_mode to force_generic_plan as $$
begin
    update progress
    set stream_created = created, sequence = reached
    where ctid = any (array(
            select (select ctid from progress where partition = p order by stream_created desc, sequence desc limit 1)
            from unnest(moved) as p))
        and (stream_created <> created or sequence < reached);
end $$;
