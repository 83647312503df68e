"""Where a projector's events come from: the log, read one stretch ahead of who folds it, then as it is told.

reading ahead ─► at the head: told ─► reading ahead     (when more was told than a log_range holds)
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from types import TracebackType

from commander.eventstore.database import Database
from commander.eventstore.projections.log_ranges import LogRange, read_range
from commander.streaming.log.reading import LogReader


class LogPrefetch:
    """Gives the stretches of the log behind a position, one after the other.

    While there is more to come, Postgres reads the next while the one before is folded. A context manager:
    left, it reads no more.
    """

    def __init__(
        self, database: Database, told: LogReader, types: Collection[str], after: int, *, limit: int
    ) -> None:
        """limit: the most events in a stretch."""
        self._database = database
        self._told = told
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
        """The next stretch; where none comes within a moment, an empty one that ends where the last did."""
        reading, self._reading = self._reading, None
        log_range = await (self._as_told() if self._at_head else reading or self._read())
        self._after, self._at_head = log_range.up_to, log_range.at_head
        if not log_range.at_head:
            self._reading = asyncio.create_task(self._read())
        return log_range

    async def again(self, after: int) -> None:
        """Goes on behind another position."""
        await self._stop()
        self._after, self._at_head = after, False

    async def _as_told(self) -> LogRange:
        events = await self._told.after(self._after, self._limit)
        up_to = events[-1].position if events else self._after
        wanted = [event for event in events if event.type in self._types]
        return LogRange(wanted, up_to, up_to + 1 if len(events) == self._limit else up_to)

    async def _read(self) -> LogRange:
        async with self._database.connection() as connection:
            return await read_range(connection, self._after, self._types, self._limit)

    async def _stop(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()
            await asyncio.wait({reading})
