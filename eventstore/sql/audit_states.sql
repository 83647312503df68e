-- Compares the stored states of a reactor with those of a fold, which are in a temporary table.
-- Of a deadline only what it does is compared: when it was submitted, and by which code, differs in a fold. So does when
-- it is due, if it was set while a clock was wrong: see streaming/nats/clock.py.
-- binds: $1 reactor text  $2 limit int;  STORED stands for the table of the stored states
-- result: key text, total bigint, stored text, folded text: state, position and deadlines as JSON; null: none
with stored as (
    select key, state::jsonb as state, position, deadlines::jsonb as deadlines from STORED where reactor = $1
),
folded as (
    select key, state::jsonb as state, position, deadlines::jsonb as deadlines
    from pg_temp.reactor_states where reactor = $1
),
told_stored as (
    select key, jsonb_build_object('state', state, 'position', position, 'deadlines', (
        select coalesce(jsonb_agg(jsonb_build_array(d ->> 'command_id', d ->> 'type', d ->> 'stream', d -> 'data')
                               order by n), '[]')
        from jsonb_array_elements(deadlines) with ordinality as one (d, n))) as told
    from stored
),
told_folded as (
    select key, jsonb_build_object('state', state, 'position', position, 'deadlines', (
        select coalesce(jsonb_agg(jsonb_build_array(d ->> 'command_id', d ->> 'type', d ->> 'stream', d -> 'data')
                               order by n), '[]')
        from jsonb_array_elements(deadlines) with ordinality as one (d, n))) as told
    from folded
)
select key, count(*) over () as total, told_stored.told::text as stored, told_folded.told::text as folded
from told_stored full join told_folded using (key)
where told_stored.told is distinct from told_folded.told
order by key limit $2
