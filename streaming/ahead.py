"""Where a projector's events come from: the log, read one stretch ahead of who folds it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from types import TracebackType

from eventstore.database import Database
from eventstore.stretches import Stretch, read_stretch


class LogAhead:
    """Gives the stretches of the log behind a position, one after the other.

    While there is more to come, Postgres reads the next while the one before is folded. A context manager:
    left, it reads no more.
    """

    def __init__(self, database: Database, types: Collection[str], after: int, *, limit: int) -> None:
        """limit: the most events in a stretch."""
        self._database = database
        self._types = types
        self._limit = limit
        self._after = after
        self._reading: asyncio.Task[Stretch] | None = None

    async def __aenter__(self) -> LogAhead:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def next(self) -> Stretch:
        """The next stretch; where there is none yet, an empty one that ends where the last did."""
        reading, self._reading = self._reading, None
        stretch = await (reading or self._read())
        self._after = stretch.up_to
        if not stretch.at_head:
            self._reading = asyncio.create_task(self._read())
        return stretch

    async def again(self, after: int) -> None:
        """Goes on behind another position."""
        await self._stop()
        self._after = after

    async def _read(self) -> Stretch:
        async with self._database.connection() as connection:
            return await read_stretch(connection, self._after, self._types, self._limit)

    async def _stop(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()
            await asyncio.wait({reading})
