-- Appends decided commands and their events, and moves the progress of the partitions, in one statement.
-- lock_log() locks the log until commit, so positions are assigned in commit order, without gaps. Meanwhile no other
-- processor can append. So what needs no position comes before: the condition counts the rows of the binds, which
-- makes Postgres parse all of them before it takes the lock. (It parsed a third of the time. With two processors, that
-- third now runs beside the transaction of the other.)
-- No row is updated that a long snapshot keeps old versions of, see 0019_no_hot_rows.sql.
-- A column of many values is one bind: the text of an array (see array_text). A column of JSON documents is one
-- text, separated by U+001F, which JSON contains only escaped. (The driver's array encoder took a third of the time.)
-- Each bind is in a select of its own: the planner does not see how long it is, so it keeps one plan for all appends.
-- (It made a plan for each, which took more time than an append of one command.)
-- binds, events:   $1 how many int  $2 stream text[]  $3 version bigint[]  $4 type text[]  $5 schema_version int[]
--                  $6 data (joined)  $7 command_id uuid[]  $8 correlation_id uuid[]  $9 causation_position bigint[]
-- binds, commands: $10 command_id uuid[]  $11 type text[]  $12 stream text[]  $13 data (joined)
--                  $14 digest text[] (hex)  $15 status text[]  $16 code text[]  $17 message text[]
--                  $18 event_count int[]  $19 version bigint[]  $20 last_event int[] (the number of events of
--                  this batch up to its last one)  $21 correlation_id uuid[]  $22 causation_position bigint[]
--                  $23 reactor text[]  $24 actor text[]  $25 submitted_at timestamptz[]
--                  $31 decider_now timestamptz[]  $32 guards text[] (JSON); null if no command has one
-- binds, traces:   $30 traceparent text[] of the events; null if no event has one
-- binds, progress: $26 partition int[]  $27 sequence bigint (the same for all)  $28 stream_created timestamptz
--                  $29 how many commands int
-- result: base bigint (the head before), recorded_at timestamptz (never earlier than that of an older event)
with new_events as materialized (
    select *
    from unnest((select $2::text::text[]), (select $3::text::bigint[]),
                (select $4::text::text[]), (select $5::text::int[]),
                (select string_to_array($6, e'\x1f')::json[]), (select $7::text::uuid[]),
                (select $8::text::uuid[]), (select $9::text::bigint[]), (select $30::text::text[]))
         with ordinality as e (stream, version, type, schema_version, data, command_id, correlation_id,
                               causation_position, traceparent, n)
),
new_commands as materialized (
    select *
    from unnest((select $10::text::uuid[]), (select $11::text::text[]),
                (select $12::text::text[]), (select string_to_array($13, e'\x1f')::json[]),
                (select $14::text::text[]), (select $15::text::text[]),
                (select $16::text::text[]), (select $17::text::text[]),
                (select $18::text::int[]), (select $19::text::bigint[]),
                (select $20::text::int[]), (select $21::text::uuid[]),
                (select $22::text::bigint[]), (select $23::text::text[]),
                (select $24::text::text[]), (select $25::text::timestamptz[]),
                (select $31::text::timestamptz[]), (select $32::text::text[]))
         with ordinality as c (command_id, type, stream, data, digest, status, code, message, event_count,
                               version, last_event, correlation_id, causation_position, reactor, actor,
                               submitted_at, decider_now, guards, n)
),
head as materialized (
    select head as base, outcomes as commands, greatest(newest_at, clock_timestamp()) as recorded_at
    from lock_log()
    where (select count(*) from new_events) = $1::int
      and (select count(*) from new_commands) = $29::int
),
appended as (
    insert into events (position, stream, version, type, schema_version, data, command_id, correlation_id,
                        causation_position, recorded_at, traceparent)
    select head.base + e.n, e.stream, e.version, e.type, e.schema_version, e.data, e.command_id,
           e.correlation_id, e.causation_position, head.recorded_at, e.traceparent
    from head, new_events as e
),
decided as (
    insert into commands (command_id, type, stream, data, digest, status, code, message, position, event_count,
                          version, correlation_id, causation_position, reactor, actor, submitted_at, decided_at, number,
                          decider_now, guards)
    select c.command_id, c.type, c.stream, c.data, decode(c.digest, 'hex'), c.status, c.code, c.message,
           head.base + c.last_event, c.event_count, c.version, c.correlation_id, c.causation_position,
           c.reactor, c.actor, c.submitted_at, head.recorded_at, head.commands + c.n,
           c.decider_now, c.guards::json
    from head, new_commands as c
)
select base, recorded_at, move_progress($26::text::int[], $28, $27) from head
