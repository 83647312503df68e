-- Finds the deadlines that their reactor has cancelled: it has handled their event, and its state has them no more.
-- While states are rebuilt, none counts as cancelled, and none of a parked key.
-- binds: $1 command_id uuid[]  $2 reactor text[]  $3 key of the state text[]  $4 partition of the key int[]
--        $5 position of the event that the deadline came from bigint[]
-- result: command_id uuid
select d.command_id
from unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::bigint[])
     as d (command_id, reactor, key, partition, position)
join (
    select p.* from (select distinct reactor from unnest($2::text[]) as one (reactor)) as its
    cross join lateral checkpoints_of_reactor(its.reactor) as p
) as p using (reactor, partition)
where p.folded_position >= d.position and p.folded_position >= p.position
  and not exists (select from reactor_failures as f where f.reactor = d.reactor and f.key = d.key)
  and not exists (
      select from states_of_reactor(d.reactor, array[d.key]) as s, json_array_elements(s.deadlines) as armed
      where armed ->> 'command_id' = d.command_id::text
  )
