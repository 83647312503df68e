-- Reads the snapshots of many streams and the first events after them, or the first events of all, in one trip.
-- A snapshot by other code is left out, and so is one whose version is not in the log. `offset 0` keeps the lookup
-- of the snapshot apart, so that the events are found by its version in their index.
-- The page ends with the row that reaches the bytes. octet_length() does not read what is stored out of line.
-- binds: $1 stream text[]  $2 the fingerprint of its aggregate's code text[]  $3 limit of events per stream int
--        $4 bytes bigint
-- result: a row for each event, or one without an event for a snapshot that none follows, in the order of the streams as
-- asked for. The first row of a stream has the snapshot's state; it is null if there is no snapshot. bytes: the sum of
-- events and states up to this row
select wanted, snapshot_version, snapshot_state, position, stream, version, type, schema_version, data, command_id,
       correlation_id, causation_position, recorded_at, traceparent, bytes
from (
    select *, sum(size) over (order by n, version rows unbounded preceding) as bytes
    from (
        select wanted.n, wanted.stream as wanted, snapshot.version as snapshot_version, e.*,
               case when e.version is null or e.version = snapshot.version + 1 then snapshot.state end as snapshot_state,
               coalesce(octet_length(e.data::text), 0)
                   + case when e.version is null or e.version = snapshot.version + 1
                          then octet_length(snapshot.state::text) else 0 end as size
        from unnest($1::text[], $2::text[]) with ordinality as wanted (stream, fingerprint, n)
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
    ) as found
) as sized
where bytes - size < $4
order by n, version
