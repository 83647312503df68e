-- Appends decided commands and their events, and moves the progress of the partitions, in one statement.
-- lock_log_if() locks the log until commit, so positions are assigned in commit order, without gaps. Meanwhile no other
-- processor can append. So what needs no position comes before: the condition of `head` reads `binds`, which makes
-- Postgres parse all of them before it takes the lock. (It parsed a third of the time. With two processors, that
-- third now runs beside the transaction of the other.)
-- No row is updated that a long snapshot keeps old versions of, see 0019_no_hot_rows.sql.
-- A column of many values is one bind: the text of an array (see array_text). A column of JSON documents is one
-- text, separated by U+001F, which JSON contains only escaped. (The driver's array encoder took a third of the time.)
-- What an event has from its command is not sent again. Text of UUIDs and times takes Postgres long to parse.
-- unnest() stands in the lists of columns: in a list of tables it would store each column once more.
-- The planner does not see how long the arrays of `binds` are, so it keeps one plan for all appends.
-- binds, events:   $1 how many int  $2 stream text[]  $3 version bigint[]  $4 type text[]  $5 schema_version int[]
--                  $6 data (joined)  $7 command int[] (the place of its command in this batch, from 1)
-- binds, commands: $8 how many int  $9 command_id uuid[]  $10 type text[]  $11 stream text[]  $12 data (joined)
--                  $13 digest text[] (hex)  $14 status text[]  $15 code text[]  $16 message text[]
--                  $17 event_count int[]  $18 version bigint[]  $19 last_event int[] (the number of events of
--                  this batch up to its last one)  $20 reactor text[]  $21 actor text[]
--                  $22 submitted_at timestamptz[]  $23 decider_now int[] (its place in $24)
--                  $24 all values of decider_now timestamptz[]
--                  null if no command has one: $25 correlation_id uuid[] (null: the command_id)
--                  $26 causation_position bigint[]  $27 traceparent text[]  $28 guards text[] (JSON)
-- binds, progress: $29 partition int[]  $30 sequence bigint (the same for all)  $31 stream_created timestamptz
-- binds, rules across streams, see lock_log_if() and move_keys(): $32 known int[]
--                  null without any: $33 stream text[]  $34 version bigint[]
--                  null without any: $35 index int[]  $36 key text[]  $37 holder before text[]  $38 holder after text[]
--                  null without any: $39 index int[]  $40 value text[]  $41 position bigint[] (that no event has since)
--                  null without any: $42 index int[]  $43 value text[]  $44 event int[] (its place in this batch, from 1)
-- result: no row if a condition does not hold, and nothing is stored. Else base bigint (the head before), recorded_at timestamptz (never earlier than that of an older event)
with binds as materialized (
    select $2::text::text[] as stream, $3::text::bigint[] as version, $4::text::text[] as type,
           $5::text::int[] as schema_version, string_to_array($6, e'\x1f')::json[] as data,
           $7::text::int[] as command,
           $9::text::uuid[] as command_id, $10::text::text[] as command_type, $11::text::text[] as command_stream,
           string_to_array($12, e'\x1f')::json[] as command_data, $13::text::text[] as digest,
           $14::text::text[] as status, $15::text::text[] as code, $16::text::text[] as message,
           $17::text::int[] as event_count, $18::text::bigint[] as command_version, $19::text::int[] as last_event,
           $20::text::text[] as reactor, $21::text::text[] as actor, $22::text::timestamptz[] as submitted_at,
           $23::text::int[] as decider_now, $24::text::timestamptz[] as decider_nows,
           $25::text::uuid[] as correlation_id, $26::text::bigint[] as causation_position,
           $27::text::text[] as traceparent, $28::text::json[] as guards,
           $32::text::int[] as known, $33::text::text[] as streams, $34::text::bigint[] as versions,
           $35::text::int[] as key_indexes, $36::text::text[] as keys, $37::text::text[] as before,
           $38::text::text[] as after, $39::text::int[] as asked_indexes, $40::text::text[] as asked,
           $41::text::bigint[] as positions, $42::text::int[] as tag_indexes, $43::text::text[] as tags,
           $44::text::int[] as tagged
),
head as materialized (
    select head as base, outcomes as commands, greatest(newest_at, clock_timestamp()) as recorded_at
    from binds as b,
         lateral lock_log_if(b.known, b.streams, b.versions, b.key_indexes, b.keys, b.before, b.asked_indexes, b.asked,
                             b.positions)
),
appended as (
    insert into events (position, stream, version, type, schema_version, data, command_id, correlation_id,
                        causation_position, recorded_at, traceparent)
    select head.base + e.n, e.stream, e.version, e.type, e.schema_version, e.data, b.command_id[e.command],
           coalesce(b.correlation_id[e.command], b.command_id[e.command]), b.causation_position[e.command],
           head.recorded_at, b.traceparent[e.command]
    from head, binds as b,
         lateral (select generate_series(1, $1::int) as n, unnest(b.stream) as stream, unnest(b.version) as version,
                         unnest(b.type) as type, unnest(b.schema_version) as schema_version,
                         unnest(b.data) as data, unnest(b.command) as command) as e
),
decided as (
    insert into commands (command_id, type, stream, data, digest, status, code, message, position, event_count,
                          version, correlation_id, causation_position, reactor, actor, submitted_at, decided_at, number,
                          decider_now, guards)
    select c.command_id, c.type, c.stream, c.data, decode(c.digest, 'hex'), c.status, c.code, c.message,
           head.base + c.last_event, c.event_count, c.version, coalesce(c.correlation_id, c.command_id),
           c.causation_position, c.reactor, c.actor, c.submitted_at, head.recorded_at, head.commands + c.n,
           b.decider_nows[c.decider_now], c.guards
    from head, binds as b,
         lateral (select generate_series(1, $8::int) as n, unnest(b.command_id) as command_id,
                         unnest(b.command_type) as type, unnest(b.command_stream) as stream,
                         unnest(b.command_data) as data, unnest(b.digest) as digest, unnest(b.status) as status,
                         unnest(b.code) as code, unnest(b.message) as message,
                         unnest(b.event_count) as event_count, unnest(b.command_version) as version,
                         unnest(b.last_event) as last_event, unnest(b.reactor) as reactor,
                         unnest(b.actor) as actor, unnest(b.submitted_at) as submitted_at,
                         unnest(b.decider_now) as decider_now, unnest(b.correlation_id) as correlation_id,
                         unnest(b.causation_position) as causation_position, unnest(b.guards) as guards) as c
),
tagged as (
    insert into event_tags (index_id, value, position)
    select t.index_id, t.value, head.base + t.event
    from head, binds as b,
         lateral unnest(b.tag_indexes, b.tags, b.tagged) as t (index_id, value, event)
    where b.tags is not null
)
select base, recorded_at, move_progress($29::text::int[], $31, $30),
       case when $36 is not null then move_keys(b.key_indexes, b.keys, b.before, b.after) end
from head, binds as b
