-- The current schema: the sum of all migrations. A test compares the two.
create table schema_migrations (
    version integer primary key,
    name text not null,
    applied_at timestamptz not null default now()
);

create table log_lock (
    only_row boolean primary key default true check (only_row),
    imported_position bigint not null default 0
);
insert into log_lock default values;

create table events (
    position bigint primary key check (position > 0),
    stream text not null,
    version bigint not null check (version > 0),
    type text not null,
    schema_version integer not null,
    data json not null,
    command_id uuid not null,
    correlation_id uuid not null,
    causation_position bigint,
    recorded_at timestamptz not null,
    traceparent text,
    constraint events_stream_version unique (stream, version)
);

create function events_are_immutable() returns trigger language plpgsql as $$
begin
    raise exception 'the log is append-only' using errcode = 'restrict_violation';
end $$;
create trigger events_are_immutable before update or delete on events
    for each row execute function events_are_immutable();
create trigger events_are_not_truncated before truncate on events
    for each statement execute function events_are_immutable();

create table commands (
    command_id uuid primary key,
    type text not null,
    stream text not null,
    data json not null,
    digest bytea not null,
    status text not null check (status in ('APPLIED', 'REJECTED', 'FAILED')),
    code text,
    message text,
    position bigint not null,
    event_count integer not null,
    version bigint not null,
    correlation_id uuid not null,
    causation_position bigint,
    reactor text,
    actor text,
    submitted_at timestamptz not null,
    decided_at timestamptz not null,
    number bigint not null,
    decider_now timestamptz,
    guards json
);

create unique index commands_number on commands (number);
create index commands_failed on commands (position) where status = 'FAILED';
create index commands_causation on commands (causation_position) where causation_position is not null;
create index commands_sender on commands ((guards -> 'sender' ->> 'subject'), number)
    where guards -> 'sender' ->> 'subject' is not null;

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

-- Blocks appends until the transaction ends, for what appends nothing. The end of the log is read by a statement of its own:
-- its snapshot is taken after the wait for the lock, so it contains the append before.
create function hold_log(out head bigint, out outcomes bigint, out newest_at timestamptz)
language plpgsql as $$
begin
    perform from log_lock for update;
    select log_end.head, log_end.outcomes, log_end.newest_at into head, outcomes, newest_at from log_end();
end $$;

-- As hold_log(), for an append. Returns no row if one of the conditions does not hold: the append then stores nothing.
-- The statements of this function have snapshots of their own, taken after the wait for the lock.
-- known: the active indexes that the code keeps up: others would miss what it appends. Null: it appends no event of theirs.
-- One that has been dropped is an error: unique_keys and event_tags have no foreign key, which took a look-up for each row.
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
create function move_keys(indexes integer[], keys text[], before text[], after text[]) returns void
language plpgsql set enable_seqscan to off set plan_cache_mode to force_generic_plan as $$
begin
    delete from unique_keys as u
    using unnest(indexes, keys, before, after) as c (index_id, key, was, is_now)
    where u.index_id = c.index_id and u.key = c.key and u.stream = c.was and c.was is distinct from c.is_now;
    insert into unique_keys
    select c.index_id, c.key, c.is_now from unnest(indexes, keys, before, after) as c (index_id, key, was, is_now)
    where c.is_now is not null and c.was is distinct from c.is_now;
end $$;

-- The lock of earlier releases, which keep up no index.
create function lock_log(out head bigint, out outcomes bigint, out newest_at timestamptz)
language plpgsql as $$
begin
    perform from log_lock for update;
    if exists (select from log_indexes where active) then
        raise exception 'this release keeps up no index' using errcode = 'object_not_in_prerequisite_state';
    end if;
    select log_end.head, log_end.outcomes, log_end.newest_at into head, outcomes, newest_at from log_end();
end $$;


create table partitions (
    partition integer primary key,
    running boolean not null default false,
    owner uuid
);

-- One row for each partition. All columns are the key: each version of the row has a place of its own in the index, the newest
-- at its end.
create table progress (
    partition integer not null,
    stream_created timestamptz not null,
    sequence bigint not null,
    primary key (partition, stream_created, sequence)
);

create function move_progress(moved integer[], created timestamptz, reached bigint) returns void
language plpgsql set enable_seqscan to off set plan_cache_mode to force_generic_plan set enable_bitmapscan to off as $$
begin
    update progress
    set stream_created = created, sequence = reached
    where ctid = any (array(
            select (select ctid from progress where partition = p order by stream_created desc, sequence desc limit 1)
            from unnest(moved) as p))
        and (stream_created <> created or sequence < reached);
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

create table attempts (
    command_id uuid primary key,
    count integer not null,
    last_at timestamptz not null default now()
);

create table dead_letter_actions (
    command_id uuid primary key references commands,
    action text not null check (action in ('RETRIED', 'DROPPED')),
    retried_as uuid,
    actor text,
    at timestamptz not null default now(),
    submitted boolean not null default true
);

create table snapshots (
    stream text primary key,
    version bigint not null,
    fingerprint text not null,
    state json not null,
    taken_at timestamptz not null default now()
);

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
    traceback text,
    unique (name, fingerprint, build)
);
create unique index tables_of_projections_serving on tables_of_projections (name) where serving;

-- What moves is in the key: each version of a row has its own place in the index, the newest at its end.
create table positions_of_projections (
    table_name text not null references tables_of_projections on delete cascade,
    position bigint not null default 0,
    primary key (table_name, position)
);

create function projection_position(of_table text) returns bigint
language plpgsql stable set enable_seqscan to off set plan_cache_mode to force_generic_plan set enable_bitmapscan to off as $$
begin
    return (select position from positions_of_projections where table_name = of_table order by position desc limit 1);
end $$;

-- Each table of a projection with its checkpoint. All columns but `position` can be written.
create view projections as
select name, fingerprint, table_name, failed_position, error, build, shape, state, serves_when_built, serving, inline,
       created_at, built_at, served_at, skipped, projection_position(table_name) as position, traceback
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
    set failed_position = null, error = null, traceback = null
    where table_name = of_table and failed_position is not null;
    return true;
end $$;

create table reactors (
    name text primary key,
    position bigint not null default 0,
    folded_position bigint not null default 0,
    fingerprint text
);

create table reactor_partitions (
    reactor text not null references reactors (name),
    partition integer not null,
    position bigint not null,
    folded_position bigint not null,
    failed_position bigint,
    error text,
    primary key (reactor, partition, folded_position, position)
);

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

create table reactor_states (
    reactor text not null references reactors (name),
    key text not null,
    state json not null,
    deadlines json not null,
    position bigint not null,
    primary key (reactor, key, position)
);

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

create table reactor_failures (
    number bigint generated always as identity unique,
    reactor text not null references reactors (name),
    key text not null,
    partition integer not null,
    state text not null check (state in ('PARKED', 'RETRYING')),
    position bigint not null,
    handled_position bigint not null,
    sent_position bigint not null,
    event_type text not null,
    error text not null,
    traceback text not null,
    attempts integer not null,
    fingerprint text not null,
    parked_at timestamptz not null default now(),
    failed_at timestamptz not null default now(),
    primary key (reactor, key)
);

create table reactor_actions (
    reactor text not null references reactors (name),
    key text not null,
    position bigint not null,
    action text not null check (action in ('RETRIED', 'SKIPPED')),
    actor text,
    at timestamptz not null default now()
);
create index reactor_actions_key on reactor_actions (reactor, key);
create index reactor_actions_skipped on reactor_actions (reactor, position) where action = 'SKIPPED';

create table handling (
    handler text primary key,
    run uuid not null,
    deaths integer not null default 0,
    cause bigint
);

create table effects (
    name text not null,
    position bigint not null,
    primary key (name, position)
);

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

create table effect_failures (
    effect text not null,
    position bigint not null,
    state text not null check (state in ('FAILED', 'RETRYING', 'DONE', 'DROPPED')),
    attempts integer not null,
    error text not null,
    failed_at timestamptz not null default now(),
    primary key (effect, position)
);
create index effect_failures_open on effect_failures (failed_at) where state in ('FAILED', 'RETRYING');

create table effect_actions (
    effect text not null,
    position bigint not null,
    action text not null check (action in ('RETRIED', 'DROPPED')),
    actor text,
    at timestamptz not null default now(),
    foreign key (effect, position) references effect_failures
);
create index effect_actions_failure on effect_actions (effect, position);

create table effect_calls (
    effect text not null,
    position bigint not null,
    attempts integer not null check (attempts > 0),
    state text not null check (state in ('RUNNING', 'ALONE', 'WAITING', 'DONE')),
    primary key (effect, position)
);

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

create table domain_codes (
    fingerprint text primary key,
    number bigint generated always as identity,
    domain text not null,
    commands text[] not null,
    events json not null,
    aggregates text[] not null,
    reactors json not null,
    effects json not null,
    first_seen_at timestamptz not null default now()
);

create table code_sessions (
    pid integer primary key,
    application text not null,
    fingerprint text not null references domain_codes,
    host text not null,
    process integer not null,
    started_at timestamptz not null default now()
);

create table refused_partitions (
    application text not null,
    partition integer not null,
    fingerprint text not null references domain_codes,
    command_id uuid,
    position bigint,
    stream_created timestamptz,
    needs text not null,
    refused_at timestamptz not null default now(),
    primary key (application, partition, fingerprint),
    check (num_nonnulls(command_id, position) = 1)
);

create table system_identity (
    only_row boolean primary key default true check (only_row),
    id uuid not null default gen_random_uuid(),
    name text
);
insert into system_identity default values;

create table epochs (
    epoch integer primary key check (epoch > 0),
    first_position bigint not null check (first_position > 0),
    begun_at timestamptz not null default now()
);
insert into epochs (epoch, first_position) values (1, 1);

create table stored_names (
    kind text not null check (kind in ('event', 'command')),
    aggregate text not null,
    name text not null,
    count bigint not null,
    primary key (kind, aggregate, name)
);
create table stored_names_counted (
    only_row boolean primary key default true check (only_row),
    position bigint not null,
    commands bigint not null
);

create table recurring (
    name text primary key,
    cron text not null,
    tick timestamptz not null,
    commands json not null,
    updated_at timestamptz not null default now()
);

create table pending_commands (
    command_id uuid not null,
    stream_created timestamptz not null,
    due timestamptz not null,
    command text not null
);
create index pending_commands_due on pending_commands (stream_created, due);

create table command_streams (
    created timestamptz primary key,
    messages bigint not null,
    seen_at timestamptz not null,
    lost_at timestamptz,
    sent_again bigint not null default 0
);

create table revocations (
    subject text primary key,
    revoked_at timestamptz not null,
    stored_at timestamptz not null default clock_timestamp()
);
create index revocations_stored on revocations (stored_at);

create table revocations_followed (
    only_row boolean primary key default true check (only_row),
    position bigint not null
);

create table trusted_documents (
    id text primary key,
    number bigint generated always as identity,
    text text not null,
    added_at timestamptz not null default now()
);

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
    index_id integer not null,
    key text not null,
    stream text not null,
    primary key (index_id, key, stream)
);
create index unique_keys_stream on unique_keys (index_id, stream);

create table event_tags (
    index_id integer not null,
    value text not null,
    position bigint not null,
    primary key (index_id, value, position)
);

create function drop_index_rows() returns trigger
language plpgsql as $$
begin
    delete from unique_keys where index_id = old.id;
    delete from event_tags where index_id = old.id;
    return null;
end $$;
create trigger drop_index_rows after delete on log_indexes for each row execute function drop_index_rows();
