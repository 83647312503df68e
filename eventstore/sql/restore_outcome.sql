-- Writes an outcome again, as its events and the outcome before it tell.
-- binds: $1 command_id uuid  $2 status text  $3 code text  $4 message text  $5 how many events bigint
--        $6 the position of the last (null: none) bigint  $7 its version in the command's stream (null: none) bigint
--        $8 recorded_at (null: no events)  $9 correlation_id (null: no events)  $10 causation is known boolean
--        $11 causation_position bigint
with before as (
    select coalesce((
        select p.position from commands as p join commands as c on c.command_id = $1
        where p.number < c.number order by p.number desc limit 1
    ), 0) as position
)
update commands as c
set status = $2, code = $3, message = $4, event_count = $5::bigint,
    position = coalesce($6::bigint, before.position),
    version = coalesce($7::bigint, (
        select coalesce(max(e.version), 0) from events as e
        where e.stream = c.stream and e.position <= coalesce($6::bigint, before.position)
    )),
    decided_at = coalesce($8::timestamptz, greatest(c.decided_at, (
        select p.decided_at from commands as p where p.number < c.number order by p.number desc limit 1
    ))),
    correlation_id = coalesce($9::uuid, c.correlation_id),
    causation_position = case when $10 then $11::bigint else c.causation_position end
from before
where c.command_id = $1
