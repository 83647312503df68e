"""Snapshots: the state of a long stream at a version, so that a cold start need not read it all.

A snapshot is a cache. It counts only for the code that made it (the aggregate's fingerprint), and whatever is
wrong with it, the stream is folded from its beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from commander.domain import AggregateType
from commander.eventstore.database import Connection, reaching_postgres

_encoder = msgspec.json.Encoder(decimal_format="string")

_SAVE = """insert into snapshots (stream, version, fingerprint, state)
           select * from unnest($1::text[], $2::bigint[], $3::text[], $4::json[])
           on conflict (stream) do update
           set version = excluded.version, fingerprint = excluded.fingerprint, state = excluded.state,
               taken_at = now()"""


class Snapshot(NamedTuple):
    """The state of `stream` after its event `version`, as JSON."""

    stream: str
    version: int
    fingerprint: str
    state: str


def snapshot_of(
    aggregate: AggregateType, fingerprint: str, stream: str, version: int, state: Any
) -> Snapshot | None:
    """The snapshot of a state; None for a state that JSON would not give back the same."""
    try:
        encoded = _encoder.encode(state)
        if msgspec.json.decode(encoded, type=aggregate.cls) != state:
            return None
    except (TypeError, ValueError, msgspec.MsgspecError):
        return None
    return Snapshot(stream, version, fingerprint, encoded.decode())


def state_from(aggregate: AggregateType, fingerprint: str, snapshot: Snapshot) -> Any | None:
    """The state in a snapshot; None where it is of other code, or does not fit."""
    if snapshot.fingerprint != fingerprint:
        return None
    try:
        return msgspec.json.decode(snapshot.state, type=aggregate.cls)
    except (ValueError, TypeError, msgspec.MsgspecError):
        return None


async def save_snapshots(connection: Connection, snapshots: Sequence[Snapshot]) -> None:
    """Keeps the newest snapshot of each stream."""
    with reaching_postgres(connection):
        await connection.execute(_SAVE, *(list(column) for column in zip(*snapshots, strict=True)))


async def load_snapshots(connection: Connection, streams: Sequence[str]) -> list[Snapshot]:
    """The snapshots there are of these streams, unless they are ahead of the log."""
    with reaching_postgres(connection):
        rows = await connection.fetch(
            """select s.stream, s.version, s.fingerprint, s.state from snapshots as s
               where s.stream = any($1::text[])
                 and exists (select from events as e where e.stream = s.stream and e.version = s.version)""",
            streams,
        )
    return [Snapshot(*row) for row in rows]
