-- Pending commands that Postgres has too: if NATS loses the stream COMMANDS, they are sent again.
-- stream_created: when the COMMANDS that has the command was created. due: when it may be decided. command: JSON.
-- A row costs little: no primary key (a command that is stored twice does no harm), and JSON that is not parsed.
create table pending_commands (
    command_id uuid not null,
    stream_created timestamptz not null,
    due timestamptz not null,
    command text not null
);
create index pending_commands_due on pending_commands (stream_created, due);

-- The streams COMMANDS that this system has had. messages, seen_at: as of the last look.
-- lost_at: when another one was found in its place. sent_again: how many of its commands were sent to that one.
create table command_streams (
    created timestamptz primary key,
    messages bigint not null,
    seen_at timestamptz not null,
    lost_at timestamptz,
    sent_again bigint not null default 0
);
