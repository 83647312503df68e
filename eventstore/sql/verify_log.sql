-- Checks in one snapshot that the log and the outcomes have no gaps and match each other. It reads both whole.
-- binds: none
-- result: what text (what is broken), detail text; no row if all is right
with events_seen as (
    select count(*) as many, coalesce(max(position), 0) as newest from events
),
commands_seen as (
    select count(*) as many, coalesce(max(number), 0) as newest from commands
)
select 'the log is dense' as what,
       format('there are %s events, the newest at position %s', many, newest) as detail
from events_seen where many <> newest
union all
select 'each command has one outcome',
       format('there are %s outcomes, the newest has number %s', many, newest)
from commands_seen where many <> newest
union all
(select 'versions within a stream are dense',
        format('the stream %s has %s events, of versions %s to %s', stream, count(*), min(version), max(version))
 from events group by stream having (min(version), max(version)) <> (1, count(*)) limit 10)
union all
(select 'outcome and events were stored together',
        format('the command %s says %s events, the log has %s', command_id, event_count, coalesce(many, 0))
 from commands
 left join (select command_id, count(*) as many from events group by command_id) as made using (command_id)
 where coalesce(many, 0) <> event_count limit 10)
union all
(select 'outcome and events were stored together',
        format('the event at position %s is of the command %s, which has no outcome', events.position, command_id)
 from events left join commands using (command_id) where commands.command_id is null limit 10)
