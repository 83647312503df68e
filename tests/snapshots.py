"""What the store has of snapshots."""

from __future__ import annotations

from collections.abc import Sequence

from commander.eventstore.database import Connection
from commander.eventstore.log.snapshots import Snapshot


async def stored_snapshots(connection: Connection, streams: Sequence[str]) -> list[Snapshot]:
    """The snapshots of these streams, usable or not."""
    rows = await connection.fetch(
        "select stream, version, fingerprint, state from snapshots where stream = any($1::text[])", streams
    )
    return [Snapshot(*row) for row in rows]
