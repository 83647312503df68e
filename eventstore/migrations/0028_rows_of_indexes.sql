-- The rows of an index go with it by a trigger: the foreign keys took a look-up for each row that an append stores.
alter table unique_keys drop constraint unique_keys_index_id_fkey;
alter table event_tags drop constraint event_tags_index_id_fkey;

create function drop_index_rows() returns trigger
language plpgsql as $$
begin
    delete from unique_keys where index_id = old.id;
    delete from event_tags where index_id = old.id;
    return null;
end $$;
create trigger drop_index_rows after delete on log_indexes for each row execute function drop_index_rows();

-- As hold_log(), for an append. Returns no row if one of the conditions does not hold: the append then stores nothing.
-- The statements of this function have snapshots of their own, taken after the wait for the lock.
-- known: the active indexes that the code keeps up: others would miss what it appends. Null: it appends no event of theirs.
-- One that has been dropped is an error: unique_keys and event_tags have no foreign key, which took a look-up for each row.
-- streams, versions: the version of each stream (0: no events). keys: who holds each key of an index (null: nobody).
-- tags: no event with this value in an index is later than its position.
create or replace function lock_log_if(
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
    if exists (select from unnest(known) as k (id) where not exists (select from log_indexes as i where i.id = k.id)) then
        raise exception 'an index of the log has been dropped' using errcode = 'object_not_in_prerequisite_state';
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

-- Gives keys to streams, or to nobody (null). `before`: the streams that have had them. A key that was only read stays.
create or replace function move_keys(indexes integer[], keys text[], before text[], after text[]) returns void
language plpgsql set enable_seqscan to off set plan_cache_mode to force_generic_plan as $$
begin
    delete from unique_keys as u
    using unnest(indexes, keys, before, after) as c (index_id, key, was, is_now)
    where u.index_id = c.index_id and u.key = c.key and u.stream = c.was and c.was is distinct from c.is_now;
    insert into unique_keys
    select c.index_id, c.key, c.is_now from unnest(indexes, keys, before, after) as c (index_id, key, was, is_now)
    where c.is_now is not null and c.was is distinct from c.is_now;
end $$;
