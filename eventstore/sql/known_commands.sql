-- Reads the outcomes of these commands. `offset 0` makes each a lookup in the index, with any plan.
-- binds: $1 command_id uuid[] (as text, see array_text)
select found.*
from unnest($1::text::uuid[]) as wanted (command_id)
cross join lateral (
    select command_id, type, stream, data, digest, status, code, message, position, event_count, version,
           correlation_id, causation_position, reactor, actor, submitted_at, decided_at, number,
           decider_now, guards
    from commands
    where commands.command_id = wanted.command_id
    offset 0
) as found
