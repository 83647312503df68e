"""How many reactions in a row led to an event. The count limits a loop of reactors."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import NamedTuple

from commander.eventstore.database import Connection, reaching_postgres
from commander.eventstore.records import RecordedEvent
from commander.eventstore.sql import statement

_DEPTH = statement("causation_depth")
_REMEMBERED = 10_000

APART = timedelta(minutes=1)
"""A pause of this length resets the count: a process that acts once a month is not a loop."""
MOST = 1000
"""The highest depth that is counted."""


class _Link(NamedTuple):
    depth: int
    recorded_at: datetime


class Depths:
    """The depths of events, with a cache of the most recent ones."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, _Link] = OrderedDict()

    async def of(self, connection: Connection, event: RecordedEvent) -> int:
        """The depth of an event: 0 if no reaction led to it, else 1 more than that of its cause.

        Raises Unavailable.
        """
        depth = await self._depth(connection, event)
        self._known[event.position] = _Link(depth, event.recorded_at)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return depth

    async def _depth(self, connection: Connection, event: RecordedEvent) -> int:
        if event.causation_position is None:
            return 0
        cause = self._known.get(event.causation_position)
        if cause is not None:
            return cause.depth + 1 if event.recorded_at - cause.recorded_at < APART else 0
        with reaching_postgres(connection):
            depth = await connection.fetchval(_DEPTH, event.position, MOST, APART)
        return int(depth or 0)
