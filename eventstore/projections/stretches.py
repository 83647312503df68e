"""Stretches of the log as a projection reads them: events of its own types, and of each what it folds."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from commander.eventstore.database import Connection, reaching_postgres
from commander.eventstore.projections.rows import LoggedEvent
from commander.eventstore.sql import statement

_READ = statement("read_stretch")
_SPAN = 500_000
"""How far a stretch reaches at the most: where events of these types are rare, none takes too long."""


class StretchEvent(NamedTuple):
    """An event as far as a fold reads it."""

    position: int
    type: str
    schema_version: int
    data: str


@dataclass(frozen=True)
class Stretch:
    """All events of some types behind a position, up to and including up_to. head: of the log, when read."""

    events: Sequence[LoggedEvent]
    up_to: int
    head: int

    @property
    def at_head(self) -> bool:
        return self.up_to >= self.head


async def read_stretch(
    connection: Connection, after: int, types: Collection[str], limit: int, up_to: int | None = None
) -> Stretch:
    """The next stretch, of at most `limit` events; up_to: where it ends in any case.

    The head is asked for first: whoever sees it sees all below it.
    """
    with reaching_postgres(connection):
        head: int = await connection.fetchval("select position from log_head")
        end = min(head if up_to is None else up_to, after + _SPAN)
        if end <= after:
            return Stretch((), after, head)
        rows = await connection.fetch(_READ, after, end, list(types), limit)
    events = [StretchEvent(*row) for row in rows]
    return Stretch(events, events[-1].position if len(events) == limit else end, head)
