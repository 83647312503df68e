-- Counts the names of events and commands again, up to where they are counted, and compares.
-- binds: none
-- result: kind text, aggregate text, name text, counted bigint (what is stored), many bigint (what there is)
with upto as materialized (
    select position, commands from stored_names_counted
),
there as (
    select 'event' as kind, split_part(stream, '-', 1) as aggregate, type as name, count(*) as many
    from events, upto where events.position <= upto.position group by 2, 3
    union all
    select 'command', '', type, count(*)
    from commands, upto where number <= upto.commands group by 3
)
select kind, aggregate, name, coalesce(stored_names.count, 0) as counted, coalesce(many, 0) as many
from stored_names full join there using (kind, aggregate, name)
where stored_names.count is distinct from many
