-- Stores pending commands.
-- binds: $1 command_id uuid[] (as text, see array_text)  $2 due timestamptz[] (as text)  $3 command (joined by U+001F)
--        $4 stream_created timestamptz
insert into pending_commands (command_id, stream_created, due, command)
select c.command_id, $4, c.due, c.command
from unnest($1::text::uuid[], $2::text::timestamptz[], string_to_array($3, e'\x1f'))
     as c (command_id, due, command)
