-- Moves the checkpoints of a reactor's partitions, and stores the commands that it has sent as pending commands.
-- While states are rebuilt, only folded_position moves.
-- binds: $1 reactor text  $2 partition int[]  $3 position bigint[]
-- binds, commands: $4 command_id uuid[]  $5 due timestamptz[]  $6 command (joined)  $7 stream_created timestamptz
--                  (see remember_commands.sql)
with remembered as (
    insert into pending_commands (command_id, stream_created, due, command)
    select c.command_id, $7, c.due, c.command
    from unnest($4::text::uuid[], $5::text::timestamptz[], string_to_array($6, e'\x1f'))
         as c (command_id, due, command)
)
select move_reactor($1, $2, $3)
