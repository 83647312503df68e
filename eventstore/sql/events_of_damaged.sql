-- What the events of some commands tell of their outcomes. It reads the whole log.
-- binds: $1 command ids uuid[]
-- result: command_id, code, message (as stored), many bigint, last bigint, version bigint, own boolean (it has events
--         in its stream), refused text and told text (code and message of the event for its reactor), recorded_at,
--         correlation_id, caused boolean (causation_position is known), causation_position; in the order of the outcomes
select c.command_id, c.code, c.message, count(e.position) as many, max(e.position) as last,
       max(e.version) filter (where e.stream = c.stream) as version,
       coalesce(bool_or(e.stream = c.stream), false) as own,
       max(e.data ->> 'code') filter (where e.type = 'ReactionRejected') as refused,
       max(e.data ->> 'message') filter (where e.type = 'ReactionRejected') as told,
       max(e.recorded_at) as recorded_at, max(e.correlation_id::text)::uuid as correlation_id,
       count(e.position) > 0 as caused, max(e.causation_position) as causation_position
from commands as c left join events as e using (command_id)
where c.command_id = any($1::uuid[])
group by c.command_id
order by c.number
