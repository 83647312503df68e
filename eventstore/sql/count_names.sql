-- Counts the types of events and commands in a part of the log, adds them to stored_names, and stores how far it is.
-- binds: $1 after position bigint  $2 up to position bigint  $3 after number bigint  $4 up to number bigint
with counted as (
    insert into stored_names (kind, aggregate, name, count)
    select 'event', split_part(stream, '-', 1), type, count(*)
    from events where position > $1 and position <= $2 group by 2, 3
    union all
    select 'command', '', type, count(*)
    from commands where number > $3 and number <= $4 group by 3
    on conflict (kind, aggregate, name) do update set count = stored_names.count + excluded.count
)
update stored_names_counted set position = $2, commands = $4
