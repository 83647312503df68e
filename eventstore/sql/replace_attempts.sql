-- Forgets the attempts at some commands, and counts one more attempt at others.
-- binds: $1 command_id uuid[] (they are decided)  $2 command_id uuid[] (they are decided next)
with ended as (
    delete from attempts where command_id = any($1::uuid[]) and command_id <> all($2::uuid[])
)
insert into attempts (command_id, count)
select command_id, 1 from unnest($2::uuid[]) as begun (command_id)
on conflict (command_id) do update set count = attempts.count + 1, last_at = now()
