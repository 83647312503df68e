-- No checkpoint is found by a key that all its versions share: while a long snapshot lasts, each look at it would pass all of them.
-- As the progress of partitions since 0019: what moves is in the key, and the newest version is at the end of the index.
-- A bitmap scan is forbidden too: it reads all versions, and looks cheap once statistics say that there is one row.
alter function move_progress(integer[], timestamptz, bigint) set enable_bitmapscan to off;

create table tables_of_projections (
    name text not null,
    fingerprint text not null,
    table_name text not null primary key,
    failed_position bigint,
    error text,
    build integer not null default 1,
    shape json,
    state text not null default 'BUILDING' check (state in ('BUILDING', 'BUILT')),
    serves_when_built boolean not null default true,
    serving boolean not null default false,
    inline boolean not null default false,
    created_at timestamptz not null default now(),
    built_at timestamptz,
    served_at timestamptz,
    skipped json,
    unique (name, fingerprint, build)
);
create table positions_of_projections (
    table_name text not null references tables_of_projections on delete cascade,
    position bigint not null default 0,
    primary key (table_name, position)
);
insert into tables_of_projections
select name, fingerprint, table_name, failed_position, error, build, shape, state, serves_when_built, serving, inline,
       created_at, built_at, served_at, skipped
from projections;
insert into positions_of_projections select table_name, position from projections;
drop table projections;
create unique index tables_of_projections_serving on tables_of_projections (name) where serving;

create function projection_position(of_table text) returns bigint
language plpgsql stable set enable_seqscan to off set plan_cache_mode to force_generic_plan set enable_bitmapscan to off as $$
begin
    return (select position from positions_of_projections where table_name = of_table order by position desc limit 1);
end $$;

-- Each table of a projection with its checkpoint. All columns but `position` can be written.
create view projections as
select name, fingerprint, table_name, failed_position, error, build, shape, state, serves_when_built, serving, inline,
       created_at, built_at, served_at, skipped, projection_position(table_name) as position
from tables_of_projections;

-- Moves the checkpoint of a table and clears a stored failure. Returns false if there is no such table.
create function move_projection(of_table text, reached bigint) returns boolean
language plpgsql set enable_seqscan to off set plan_cache_mode to force_generic_plan set enable_bitmapscan to off as $$
begin
    update positions_of_projections
    set position = reached
    where ctid = (select ctid from positions_of_projections where table_name = of_table order by position desc limit 1);
    if not found then
        return false;
    end if;
    update tables_of_projections
    set failed_position = null, error = null
    where table_name = of_table and failed_position is not null;
    return true;
end $$;

alter table reactor_partitions
    drop column updated_at,
    drop constraint reactor_partitions_pkey,
    add primary key (reactor, partition, folded_position, position);

-- The newest version of each partition of a reactor, from the end of the index.
create function checkpoints_of_reactor(of_reactor text) returns setof reactor_partitions
language plpgsql stable set enable_seqscan to off set plan_cache_mode to force_generic_plan set enable_bitmapscan to off as $$
declare
    newest reactor_partitions;
    below integer := 2147483647;
begin
    loop
        select * into newest
        from reactor_partitions
        where reactor = of_reactor and partition < below
        order by partition desc, folded_position desc, position desc limit 1;
        exit when not found;
        return next newest;
        below := newest.partition;
    end loop;
end $$;

-- Moves partitions of a reactor. While states are rebuilt, only folded_position moves.
create function move_reactor(of_reactor text, moved integer[], reached bigint[]) returns void
language plpgsql set enable_seqscan to off set plan_cache_mode to force_generic_plan set enable_bitmapscan to off as $$
begin
    update reactor_partitions as p
    set position = greatest(p.position, newest.reached), folded_position = newest.reached,
        failed_position = null, error = null
    from (
        select (select ctid from reactor_partitions
                where reactor = of_reactor and partition = m.partition
                order by folded_position desc, position desc limit 1) as place,
               m.reached
        from unnest(moved, reached) as m (partition, reached)
    ) as newest
    where p.ctid = newest.place;
end $$;

alter table reactor_states
    drop constraint reactor_states_pkey,
    add primary key (reactor, key, position);

-- Reads the states of these keys.
create function states_of_reactor(of_reactor text, of_keys text[]) returns setof reactor_states
language plpgsql stable set enable_seqscan to off set plan_cache_mode to force_generic_plan set enable_bitmapscan to off as $$
begin
    return query
    select newest.*
    from unnest(of_keys) as wanted (key)
    cross join lateral (
        select * from reactor_states as s
        where s.reactor = of_reactor and s.key = wanted.key
        order by s.position desc limit 1
    ) as newest;
end $$;

-- Stores states of one reactor: each replaces the state of its key. A key occurs once.
create function save_reactor_states(
    of_reactor text, of_keys text[], states text[], of_deadlines text[], positions bigint[]
) returns void
language plpgsql set enable_seqscan to off set plan_cache_mode to force_generic_plan set enable_bitmapscan to off as $$
begin
    with changed as materialized (
        select c.*, (select ctid from reactor_states as s
                     where s.reactor = of_reactor and s.key = c.key
                     order by s.position desc limit 1) as place
        from unnest(of_keys, states, of_deadlines, positions) as c (key, state, deadlines, position)
    ),
    replaced as (
        update reactor_states as s
        set state = c.state::json, deadlines = c.deadlines::json, position = c.position
        from changed as c
        where s.ctid = c.place
    )
    insert into reactor_states (reactor, key, state, deadlines, position)
    select of_reactor, c.key, c.state::json, c.deadlines::json, c.position
    from changed as c
    where c.place is null;
end $$;

-- Deletes the states of these keys.
create function end_reactor_states(of_reactor text, of_keys text[]) returns void
language plpgsql set enable_seqscan to off set plan_cache_mode to force_generic_plan set enable_bitmapscan to off as $$
begin
    delete from reactor_states
    where ctid = any (array(
        select (select ctid from reactor_states as s
                where s.reactor = of_reactor and s.key = ended.key
                order by s.position desc limit 1)
        from unnest(of_keys) as ended (key)));
end $$;

alter table effects
    drop column updated_at,
    drop constraint effects_pkey,
    add primary key (name, position);

-- The newest version of each effect, from the end of the index.
create function newest_effects() returns setof effects
language plpgsql stable set enable_seqscan to off set plan_cache_mode to force_generic_plan set enable_bitmapscan to off as $$
declare
    newest effects;
begin
    select * into newest from effects order by name desc, position desc limit 1;
    while found loop
        return next newest;
        select * into newest from effects where name < newest.name order by name desc, position desc limit 1;
    end loop;
end $$;

-- Moves the checkpoint of an effect, which never goes back.
create function move_effect(of_effect text, reached bigint) returns void
language plpgsql set enable_seqscan to off set plan_cache_mode to force_generic_plan set enable_bitmapscan to off as $$
begin
    update effects
    set position = reached
    where ctid = (select ctid from effects where name = of_effect order by position desc limit 1)
        and position < reached;
end $$;

-- Stores the states of an effect's calls, and deletes those of others.
create function save_effect_calls(
    of_effect text, positions bigint[], of_attempts integer[], states text[], ended bigint[]
) returns void
language plpgsql set enable_seqscan to off set plan_cache_mode to force_generic_plan set enable_bitmapscan to off as $$
begin
    delete from effect_calls where effect = of_effect and position = any (ended);
    insert into effect_calls (effect, position, attempts, state)
    select of_effect, c.position, c.attempts, c.state
    from unnest(positions, of_attempts, states) as c (position, attempts, state)
    on conflict (effect, position) do update set attempts = excluded.attempts, state = excluded.state;
end $$;

-- The newest version of each partition's progress.
create function newest_progress() returns setof progress
language plpgsql stable set enable_seqscan to off set plan_cache_mode to force_generic_plan set enable_bitmapscan to off as $$
begin
    return query
    select newest.*
    from partitions as p
    cross join lateral (
        select * from progress as q
        where q.partition = p.partition
        order by q.stream_created desc, q.sequence desc limit 1
    ) as newest;
end $$;
