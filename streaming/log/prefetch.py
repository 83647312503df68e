"""The source of a projector's events: Postgres, one range ahead of the fold; at the head, signals.

prefetching ─► at the head: listening ─► prefetching     (when more events arrive than a range may have)
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from types import TracebackType

from commander.eventstore.batches import may_be_cut
from commander.eventstore.database import Database
from commander.eventstore.projections.log_ranges import LogRange, read_range
from commander.streaming.log.reading import LogReader


class LogPrefetch:
    """Gives the ranges of the log after a position, one after the other.

    Until the head is reached, the next range is read while the last one is folded. A context manager: its
    exit stops the reading.
    """

    def __init__(
        self, database: Database, reader: LogReader, types: Collection[str], after: int, *, limit: int
    ) -> None:
        """reader: the source at the head. limit: the maximum of events in a range."""
        self._database = database
        self._reader = reader
        self._at_head = False
        self._types = types
        self._limit = limit
        self._after = after
        self._reading: asyncio.Task[LogRange] | None = None

    async def __aenter__(self) -> LogPrefetch:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def next(self) -> LogRange:
        """The next range. If no event arrives for a moment, it is empty and ends where the last one did."""
        reading, self._reading = self._reading, None
        log_range = await (self._next_live() if self._at_head else reading or self._read())
        self._after, self._at_head = log_range.up_to, log_range.at_head
        if not log_range.at_head:
            self._reading = asyncio.create_task(self._read())
        return log_range

    async def restart(self, after: int) -> None:
        """Continues after another position."""
        await self._stop()
        self._after, self._at_head = after, False

    async def _next_live(self) -> LogRange:
        events = await self._reader.after(self._after, self._limit)
        up_to = events[-1].position if events else self._after
        wanted = [event for event in events if event.type in self._types]
        return LogRange(wanted, up_to, up_to + 1 if may_be_cut(events, self._limit) else up_to)

    async def _read(self) -> LogRange:
        async with self._database.connection() as connection:
            return await read_range(connection, self._after, self._types, self._limit)

    async def _stop(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()
            await asyncio.wait({reading})
