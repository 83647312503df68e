-- Reads the snapshots of many streams and the first events after them, or the first events of all, in one trip.
-- A snapshot by other code is left out, and so is one whose version is not in the log. `offset 0` keeps the lookup
-- of the snapshot apart, so that the events are found by its version in their index.
-- binds: $1 stream text[]  $2 the fingerprint of its aggregate's code text[]  $3 limit of events per stream int
-- result: a row for each event, or one without an event for a snapshot that none follows. The first row of a stream
-- has the snapshot's state; it is null if there is no snapshot.
select wanted.stream as wanted, snapshot.version as snapshot_version,
       case when e.version is null or e.version = snapshot.version + 1 then snapshot.state end as snapshot_state,
       e.position, e.stream, e.version, e.type, e.schema_version, e.data, e.command_id, e.correlation_id,
       e.causation_position, e.recorded_at, e.traceparent
from unnest($1::text[], $2::text[]) as wanted (stream, fingerprint)
left join lateral (
    select s.version, s.state from snapshots as s
    where s.stream = wanted.stream and s.fingerprint = wanted.fingerprint
      and exists (select from events as at where at.stream = s.stream and at.version = s.version)
    offset 0
) as snapshot on true
left join lateral (
    select * from events
    where events.stream = wanted.stream and events.version > coalesce(snapshot.version, 0)
    order by events.version
    limit $3
) as e on true
where snapshot.version is not null or e.version is not null
order by wanted.stream, e.version
