-- Every reactor that ever ran, by its name, with how many states it keeps.
-- binds: none
-- result: name, position, folded_position, failed_position, error, updated_at, states
select name, position, folded_position, failed_position, error, updated_at,
       (select count(*) from reactor_states where reactor = name)
from reactors
order by name
