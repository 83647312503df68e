-- Counts the reactions in a row that led to an event. A pause between an event and its cause ends the count.
-- binds: $1 position bigint  $2 maximum depth int  $3 length of the pause interval
-- result: depth int; null if there is no event at this position
with recursive chain (cause, recorded_at, depth) as (
    select causation_position, recorded_at, 0 from events where position = $1
    union all
    select above.causation_position, above.recorded_at, chain.depth + 1
    from chain join events above on above.position = chain.cause
    where chain.depth < $2::int and chain.recorded_at - above.recorded_at < $3::interval
)
select max(depth) as depth from chain
