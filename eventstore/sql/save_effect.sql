-- Stores the states of an effect's calls and moves its checkpoint, which never goes back.
-- binds: $1 effect text  $2 checkpoint bigint  $3 positions of calls bigint[]  $4 their attempts integer[]
--        $5 their states text[]  $6 positions of calls to delete, none of them in $3, bigint[]
with forgotten as (
    delete from effect_calls where effect = $1 and position = any($6::bigint[])
), stored as (
    insert into effect_calls (effect, position, attempts, state)
    select $1, c.position, c.attempts, c.state
    from unnest($3::bigint[], $4::integer[], $5::text[]) as c (position, attempts, state)
    on conflict (effect, position) do update set attempts = excluded.attempts, state = excluded.state
)
select move_effect($1, $2)
