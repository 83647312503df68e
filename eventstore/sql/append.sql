-- Appends decided commands and their events, and moves the partitions' progress, in one statement.
-- The row of log_head is locked until commit, so positions are handed out in commit order, without gaps.
-- binds, events:   $1 stream text[]  $2 version bigint[]  $3 type text[]  $4 schema_version int[]
--                  $5 data json[]  $6 command_id uuid[]  $7 correlation_id uuid[]  $8 causation_position bigint[]
-- binds, commands: $9 command_id uuid[]  $10 type text[]  $11 stream text[]  $12 data json[]  $13 digest bytea[]
--                  $14 status text[]  $15 code text[]  $16 message text[]  $17 event_count int[]
--                  $18 version bigint[]  $19 last_event int[] (how many events of this batch precede its end)
--                  $20 correlation_id uuid[]  $21 causation_position bigint[]  $22 reactor text[]
--                  $23 actor text[]  $24 submitted_at timestamptz[]
-- binds, progress: $25 partition int[]  $26 sequence bigint[]  $27 stream_created timestamptz
-- result: base bigint (the head before), recorded_at timestamptz (not before that of any earlier event)
with head as (
    update log_head
    set position = position + cardinality($1::text[]),
        recorded_at = greatest(recorded_at, clock_timestamp())
    returning position - cardinality($1::text[]) as base, recorded_at
),
appended as (
    insert into events (position, stream, version, type, schema_version, data, command_id, correlation_id,
                        causation_position, recorded_at)
    select head.base + e.n, e.stream, e.version, e.type, e.schema_version, e.data, e.command_id,
           e.correlation_id, e.causation_position, head.recorded_at
    from head,
         unnest($1::text[], $2::bigint[], $3::text[], $4::int[], $5::json[], $6::uuid[], $7::uuid[],
                $8::bigint[])
             with ordinality as e (stream, version, type, schema_version, data, command_id, correlation_id,
                                   causation_position, n)
),
decided as (
    insert into commands (command_id, type, stream, data, digest, status, code, message, position, event_count,
                          version, correlation_id, causation_position, reactor, actor, submitted_at, decided_at)
    select c.command_id, c.type, c.stream, c.data, c.digest, c.status, c.code, c.message,
           head.base + c.last_event, c.event_count, c.version, c.correlation_id, c.causation_position,
           c.reactor, c.actor, c.submitted_at, head.recorded_at
    from head,
         unnest($9::uuid[], $10::text[], $11::text[], $12::json[], $13::bytea[], $14::text[], $15::text[],
                $16::text[], $17::int[], $18::bigint[], $19::int[], $20::uuid[], $21::bigint[], $22::text[],
                $23::text[], $24::timestamptz[])
             as c (command_id, type, stream, data, digest, status, code, message, event_count, version,
                   last_event, correlation_id, causation_position, reactor, actor, submitted_at)
),
progressed as (
    update partitions
    set sequence = p.sequence, stream_created = $27
    from unnest($25::int[], $26::bigint[]) as p (partition, sequence)
    where partitions.partition = p.partition
)
select base, recorded_at from head
