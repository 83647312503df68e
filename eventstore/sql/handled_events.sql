-- Reads how far each reactor is, and up to where the events of its parked keys are handled. One snapshot has both.
-- binds: none
-- result: name, position, keys text[], handled bigint[]; the arrays are null if no key is parked
select r.name,
       coalesce(min(p.position), r.position) as position,
       (select array_agg(key order by key) from reactor_failures where reactor = r.name) as keys,
       (select array_agg(handled_position order by key) from reactor_failures where reactor = r.name) as handled
from reactors as r
left join lateral checkpoints_of_reactor(r.name) as p on true
group by r.name
