-- Appends decided commands and their events, and moves the partitions' progress, in one statement.
-- The row of log_head is locked until commit, so positions are handed out in commit order, without gaps.
-- A bind without a type is a column as one text: its values separated by U+001F, U+001E for null. (The driver's
-- encoder of arrays looks at each element twice; at 33 values a command that was a third of the cost.) What people
-- may have written is an array all the same: it can hold those characters, or be empty. In JSON they are escaped.
-- binds, events:   $1 how many int  $2 stream text[]  $3 version  $4 type  $5 schema_version  $6 data
--                  $7 command_id  $8 correlation_id  $9 causation_position
-- binds, commands: $10 command_id  $11 type  $12 stream text[]  $13 data  $14 digest (hex)  $15 status
--                  $16 code text[]  $17 message text[]  $18 event_count  $19 version  $20 last_event (how many
--                  events of this batch precede its end)  $21 correlation_id  $22 causation_position
--                  $23 reactor text[]  $24 actor text[]  $25 submitted_at
-- binds, progress: $26 partition  $27 sequence bigint (the same for all)  $28 stream_created timestamptz
--                  $29 how many commands int
-- result: base bigint (the head before), recorded_at timestamptz (not before that of any earlier event)
with head as (
    update log_head
    set position = position + $1::int,
        commands = commands + $29::int,
        recorded_at = greatest(recorded_at, clock_timestamp())
    returning position - $1::int as base, commands - $29::int as commands, recorded_at
),
appended as (
    insert into events (position, stream, version, type, schema_version, data, command_id, correlation_id,
                        causation_position, recorded_at)
    select head.base + e.n, e.stream, e.version, e.type, e.schema_version, e.data, e.command_id,
           e.correlation_id, e.causation_position, head.recorded_at
    from head,
         unnest($2::text[], string_to_array($3, e'\x1f')::bigint[],
                string_to_array($4, e'\x1f'), string_to_array($5, e'\x1f')::int[],
                string_to_array($6, e'\x1f')::json[], string_to_array($7, e'\x1f')::uuid[],
                string_to_array($8, e'\x1f')::uuid[], string_to_array($9, e'\x1f', e'\x1e')::bigint[])
             with ordinality as e (stream, version, type, schema_version, data, command_id, correlation_id,
                                   causation_position, n)
),
decided as (
    insert into commands (command_id, type, stream, data, digest, status, code, message, position, event_count,
                          version, correlation_id, causation_position, reactor, actor, submitted_at, decided_at, number)
    select c.command_id, c.type, c.stream, c.data, decode(c.digest, 'hex'), c.status, c.code, c.message,
           head.base + c.last_event, c.event_count, c.version, c.correlation_id, c.causation_position,
           c.reactor, c.actor, c.submitted_at, head.recorded_at, head.commands + c.n
    from head,
         unnest(string_to_array($10, e'\x1f')::uuid[], string_to_array($11, e'\x1f'),
                $12::text[], string_to_array($13, e'\x1f')::json[],
                string_to_array($14, e'\x1f'), string_to_array($15, e'\x1f'),
                $16::text[], $17::text[],
                string_to_array($18, e'\x1f')::int[], string_to_array($19, e'\x1f')::bigint[],
                string_to_array($20, e'\x1f')::int[], string_to_array($21, e'\x1f')::uuid[],
                string_to_array($22, e'\x1f', e'\x1e')::bigint[], $23::text[],
                $24::text[], string_to_array($25, e'\x1f')::timestamptz[])
             with ordinality as c (command_id, type, stream, data, digest, status, code, message, event_count,
                                   version, last_event, correlation_id, causation_position, reactor, actor,
                                   submitted_at, n)
),
progressed as (
    update partitions
    set sequence = case when stream_created = $28 then greatest(sequence, $27) else $27 end,
        stream_created = $28
    where partition = any(string_to_array($26, e'\x1f')::int[])
)
select base, recorded_at from head
