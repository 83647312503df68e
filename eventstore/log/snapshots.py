"""Snapshots: the state of a long stream at a version, so that a load does not read the whole stream.

A snapshot is a cache. It is valid only for the code that made it (the aggregate's fingerprint). If a snapshot
cannot be used, the stream is folded from its beginning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from commander.domain import AggregateType
from commander.eventstore.batches import BATCH_BYTES
from commander.eventstore.database import Connection, Database, reaching_postgres
from commander.eventstore.records import RecordedEvent
from commander.eventstore.sql import statement

_encoder = msgspec.json.Encoder(decimal_format="string")

_SAVE = """insert into snapshots (stream, version, fingerprint, state)
           select * from unnest($1::text[], $2::bigint[], $3::text[], $4::json[])
           on conflict (stream) do update
           set version = excluded.version, fingerprint = excluded.fingerprint, state = excluded.state,
               taken_at = now()"""


_LOAD = statement("load_streams")
_SAMPLE = statement("sample_snapshots")


class Snapshot(NamedTuple):
    """The state of `stream` after its event `version`, as JSON."""

    stream: str
    version: int
    fingerprint: str
    state: str


def snapshot_of(
    aggregate: AggregateType, fingerprint: str, stream: str, version: int, state: Any
) -> Snapshot | None:
    """The snapshot of a state; None if decoding its JSON would not give the same state."""
    try:
        encoded = _encoder.encode(state)
        if msgspec.json.decode(encoded, type=aggregate.cls) != state:
            return None
    except (TypeError, ValueError, msgspec.MsgspecError):
        return None
    return Snapshot(stream, version, fingerprint, encoded.decode())


def state_from(aggregate: AggregateType, fingerprint: str, snapshot: Snapshot) -> Any | None:
    """The state in a snapshot; None if other code made it or it cannot be decoded."""
    if snapshot.fingerprint != fingerprint:
        return None
    try:
        return msgspec.json.decode(snapshot.state, type=aggregate.cls)
    except (ValueError, TypeError, msgspec.MsgspecError):
        return None


async def save_snapshots(connection: Connection, snapshots: Sequence[Snapshot]) -> None:
    """Stores these snapshots. Each replaces the one before of its stream."""
    with reaching_postgres(connection):
        await connection.execute(_SAVE, *(list(column) for column in zip(*snapshots, strict=True)))


async def drop_snapshots(database: Database, aggregate: str | None) -> int:
    """Drops the snapshots of this aggregate, or all. Returns how many.

    A running processor keeps the states that it has loaded.
    """
    dropped = await database.fetchval(
        """with dropped as (
             delete from snapshots where $1::text is null or starts_with(stream, $1 || '-') returning 1
           ) select count(*) from dropped""",
        aggregate,
    )
    return int(dropped)


async def sampled_snapshots(
    connection: Connection, made_by: Mapping[str, str], most: int
) -> tuple[list[Snapshot], int]:
    """At most so many snapshots, and how many there are: half those of the longest streams, half at random.

    made_by: the fingerprint by the name of the aggregate in its streams' ids; others are left out.
    """
    with reaching_postgres(connection):
        rows = await connection.fetch(_SAMPLE, list(made_by), list(made_by.values()), (most + 1) // 2, most)
    return [Snapshot(*row[:4]) for row in rows], rows[0]["total"] if rows else 0


async def usable_snapshots(
    connection: Connection, made_by: Mapping[str, str], after: str, limit: int
) -> list[Snapshot]:
    """A page of the snapshots of this code, after a stream, ordered by stream. made_by: as sampled_snapshots.

    One whose version is not in the log is left out.
    """
    with reaching_postgres(connection):
        rows = await connection.fetch(
            """select s.stream, s.version, s.fingerprint, s.state from snapshots as s
               join unnest($1::text[], $2::text[]) as made_by (aggregate, fingerprint) using (fingerprint)
               where split_part(s.stream, '-', 1) = aggregate and s.stream > $3
                 and exists (select from events as e where e.stream = s.stream and e.version = s.version)
               order by s.stream limit $4""",
            list(made_by),
            list(made_by.values()),
            after,
            limit,
        )
    return [Snapshot(*row) for row in rows]


class LoadedStreams(NamedTuple):
    """cut: the stream at which the bytes ended the page; None if they did not.

    Of that stream some may be missing, of those after it all is.
    """

    snapshots: list[Snapshot]
    events: list[RecordedEvent]
    cut: str | None


async def load_streams(connection: Connection, fingerprints: Mapping[str, str], page: int) -> LoadedStreams:
    """The snapshots of these streams, and one page of each stream after its snapshot, in one trip.

    It ends at about BATCH_BYTES. fingerprints: that of the aggregate's code by stream. A snapshot by other
    code is left out, and so is one whose version is not in the log. Then the page is the first of the stream.
    Events are in order within a stream, streams in the order of `fingerprints`. page: events per stream.
    Raises Unavailable.
    """
    with reaching_postgres(connection):
        rows = await connection.fetch(
            _LOAD, list(fingerprints), list(fingerprints.values()), page, BATCH_BYTES
        )
    snapshots = [
        Snapshot(stream, version, fingerprints[stream], state)
        for stream, version, state, *_ in rows
        if state is not None
    ]
    events = [RecordedEvent(*event) for _, _, _, *event, _ in rows if event[0] is not None]
    return LoadedStreams(
        snapshots, events, rows[-1]["wanted"] if rows and rows[-1]["bytes"] >= BATCH_BYTES else None
    )
