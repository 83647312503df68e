-- Reads the progress of every reactor that has ever run, by name.
-- position and folded_position are the lowest of its partitions. failed_position and error are those of the partition
-- that stopped at the lowest position.
-- binds: $1 whether the states are counted boolean, which takes long if there are many
-- result: name, position, folded_position, failed_position, error, states, partitions, stopped, parked
select r.name,
       coalesce(min(p.position), r.position),
       coalesce(min(p.folded_position), r.folded_position),
       min(p.failed_position),
       (array_agg(p.error order by p.failed_position) filter (where p.failed_position is not null))[1],
       case when $1 then (select count(*) from reactor_states where reactor = r.name) end,
       count(p.partition),
       count(p.failed_position),
       (select count(*) from reactor_failures where reactor = r.name)
from reactors as r
left join lateral checkpoints_of_reactor(r.name) as p on true
group by r.name
order by r.name
