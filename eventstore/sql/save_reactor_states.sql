-- Stores states of one reactor. Each replaces the state of its key.
-- binds: $1 reactor text  $2 key text[]  $3 state text[]  $4 deadlines text[]  $5 position bigint[]
insert into reactor_states (reactor, key, state, deadlines, position)
select $1, s.key, s.state::json, s.deadlines::json, s.position
from unnest($2::text[], $3::text[], $4::text[], $5::bigint[]) as s (key, state, deadlines, position)
on conflict (reactor, key) do update
set state = excluded.state, deadlines = excluded.deadlines, position = excluded.position
