-- How many reactions in a row led to an event: up its causes, while each came soon after the one before it.
-- binds: $1 position bigint  $2 the most that is counted int  $3 how soon interval
-- result: depth int; null for a position where no event is
with recursive chain (cause, recorded_at, depth) as (
    select causation_position, recorded_at, 0 from events where position = $1
    union all
    select above.causation_position, above.recorded_at, chain.depth + 1
    from chain join events above on above.position = chain.cause
    where chain.depth < $2::int and chain.recorded_at - above.recorded_at < $3::interval
)
select max(depth) as depth from chain
