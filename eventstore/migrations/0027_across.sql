-- Rules across streams: what is derived from the log and kept up by each append, see docs/decisions/across.md.
create table log_indexes (
    id integer primary key generated always as identity,
    name text not null,
    fingerprint text not null,
    position bigint not null default 0,
    active boolean not null default false,
    unique (name, fingerprint)
);
create unique index log_indexes_active on log_indexes (name) where active;

create table unique_keys (
    index_id integer not null references log_indexes on delete cascade,
    key text not null,
    stream text not null,
    primary key (index_id, key, stream)
);
create index unique_keys_stream on unique_keys (index_id, stream);

create table event_tags (
    index_id integer not null references log_indexes on delete cascade,
    value text not null,
    position bigint not null,
    primary key (index_id, value, position)
);

-- As hold_log(), for an append. Returns no row if one of the conditions does not hold: the append then stores nothing.
-- The statements of this function have snapshots of their own, taken after the wait for the lock.
-- known: the active indexes that the code keeps up: others would miss what it appends. Null: it appends no event of theirs.
-- streams, versions: the version of each stream (0: no events). keys: who holds each key of an index (null: nobody).
-- tags: no event with this value in an index is later than its position.
create function lock_log_if(
    known integer[], streams text[], versions bigint[], key_indexes integer[], keys text[], holders text[],
    tag_indexes integer[], tags text[], positions bigint[],
    out head bigint, out outcomes bigint, out newest_at timestamptz) returns setof record
language plpgsql rows 1 set enable_seqscan to off set plan_cache_mode to force_generic_plan as $$
declare
    missed text;
begin
    perform from log_lock for update;
    select name into missed from log_indexes where active and id <> all (known) limit 1;
    if missed is not null then
        raise exception 'this code does not keep up %', missed using errcode = 'object_not_in_prerequisite_state';
    end if;
    if streams is not null and exists (
        select from unnest(streams, versions) as c (stream, version)
        where c.version <> coalesce(
            (select e.version from events as e where e.stream = c.stream order by e.version desc limit 1), 0))
    then return; end if;
    if keys is not null and exists (
        select from unnest(key_indexes, keys, holders) as c (index_id, key, holder)
        where c.holder is distinct from (
            select u.stream from unique_keys as u where u.index_id = c.index_id and u.key = c.key limit 1))
    then return; end if;
    if tags is not null and exists (
        select from unnest(tag_indexes, tags, positions) as c (index_id, value, position)
        where exists (
            select from event_tags as t
            where t.index_id = c.index_id and t.value = c.value and t.position > c.position))
    then return; end if;
    return query select e.head, e.outcomes, e.newest_at from log_end() as e;
end $$;

-- Gives keys to streams, or to nobody (null). `before`: the streams that have had them.
create function move_keys(indexes integer[], keys text[], before text[], after text[]) returns void
language plpgsql set enable_seqscan to off set plan_cache_mode to force_generic_plan as $$
begin
    delete from unique_keys as u
    using unnest(indexes, keys, before) as c (index_id, key, stream)
    where u.index_id = c.index_id and u.key = c.key and u.stream = c.stream;
    insert into unique_keys
    select * from unnest(indexes, keys, after) as c (index_id, key, stream) where c.stream is not null;
end $$;

-- The lock of earlier releases, which keep up no index.
create or replace function lock_log(out head bigint, out outcomes bigint, out newest_at timestamptz)
language plpgsql as $$
begin
    perform from log_lock for update;
    if exists (select from log_indexes where active) then
        raise exception 'this release keeps up no index' using errcode = 'object_not_in_prerequisite_state';
    end if;
    select log_end.head, log_end.outcomes, log_end.newest_at into head, outcomes, newest_at from log_end();
end $$;

-- Blocks appends until the transaction ends, for what appends nothing. The end of the log is read by a statement of its own: its
-- snapshot is taken after the wait for the lock, so it contains the append before.
create function hold_log(out head bigint, out outcomes bigint, out newest_at timestamptz)
language plpgsql as $$
begin
    perform from log_lock for update;
    select log_end.head, log_end.outcomes, log_end.newest_at into head, outcomes, newest_at from log_end();
end $$;
