-- Chooses snapshots to audit: those of the longest streams, and others at random.
-- result: each also with the number of all snapshots that have these fingerprints
-- binds: $1 names of aggregates in stream ids text[]  $2 the fingerprint of each text[]
--        $3 how many of the longest streams bigint  $4 how many in all bigint
with usable as materialized (
    select stream, version, fingerprint
    from snapshots
    join unnest($1::text[], $2::text[]) as made_by (aggregate, fingerprint) using (fingerprint)
    where split_part(stream, '-', 1) = aggregate
      and exists (
          select from events where events.stream = snapshots.stream and events.version = snapshots.version
      )
),
ranked as (
    select *, row_number() over (order by version desc, stream) as rank, count(*) over () as total
    from usable
),
sample as (
    (select * from ranked where rank <= $3)
    union all
    (select * from ranked where rank > $3 order by random() limit $4::bigint - $3)
)
select snapshots.stream, snapshots.version, snapshots.fingerprint, snapshots.state, sample.total
from sample
join snapshots using (stream, version, fingerprint)
order by sample.rank
