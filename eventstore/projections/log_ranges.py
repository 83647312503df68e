"""The ranges of the log that a projection reads: events of its types, and of each only what a fold needs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from commander.eventstore.batches import BATCH_BYTES
from commander.eventstore.database import Connection, reaching_postgres
from commander.eventstore.projections.rows import LoggedEvent
from commander.eventstore.sql import statement

_READ = statement("read_range")
_SPAN = 500_000
"""The maximum of positions in a range. It limits the time of a read if events of these types are rare."""
_POSITIONS_PER_EVENT = 10
"""How many positions a range may have for each event of the page.

Without statistics, for example soon after a restore, Postgres reads and sorts the whole range for each page.
"""


class RangeEvent(NamedTuple):
    """The part of an event that a fold reads."""

    position: int
    type: str
    schema_version: int
    data: str


@dataclass(frozen=True)
class LogRange:
    """All events of some types after a position up to and including up_to.

    head: that of the log, when read.
    """

    events: Sequence[LoggedEvent]
    up_to: int
    head: int

    @property
    def at_head(self) -> bool:
        """Whether the range ends at the head of the log."""
        return self.up_to >= self.head


async def read_range(
    connection: Connection, after: int, types: Collection[str], limit: int, up_to: int | None = None
) -> LogRange:
    """The next range after a position, with at most `limit` events and about BATCH_BYTES.

    up_to: its last possible position. The head is read first. A reader that sees the head sees every event
    below it. Raises Unavailable.
    """
    with reaching_postgres(connection):
        head: int = await connection.fetchval("select position from log_head")
        end = min(head if up_to is None else up_to, after + min(_SPAN, limit * _POSITIONS_PER_EVENT))
        if end <= after:
            return LogRange((), after, head)
        rows = await connection.fetch(_READ, after, end, list(types), limit, BATCH_BYTES)
    events = [RangeEvent(position, type_, version, data) for position, type_, version, data, _ in rows]
    is_cut = len(rows) == limit or (bool(rows) and rows[-1]["bytes"] >= BATCH_BYTES)
    return LogRange(events, events[-1].position if is_cut else end, head)
