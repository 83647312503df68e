-- Finds a command and the commands that reactors sent in reaction to its events, and so on; nearest first.
-- binds: $1 command_id uuid  $2 maximum depth int  $3 limit int
-- result: depth int (0: the command itself), then the columns of an outcome
with recursive descendants as (
    select 0 as depth, command_id, type, stream, data, digest, status, code, message, position, event_count,
           version, correlation_id, causation_position, reactor, actor, submitted_at, decided_at, number,
           decider_now, guards
    from commands
    where command_id = $1
    union all
    select before.depth + 1, after.*
    from descendants as before
    cross join lateral (
        select command_id, type, stream, data, digest, status, code, message, position, event_count,
               version, correlation_id, causation_position, reactor, actor, submitted_at, decided_at, number,
               decider_now, guards
        from commands
        where commands.causation_position > before.position - before.event_count
          and commands.causation_position <= before.position
        order by commands.causation_position
        offset 0
    ) as after
    where before.depth < $2
)
select * from descendants
limit $3
