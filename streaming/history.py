"""History for subscribers, from Postgres: in pages, one read ahead, a few subscribers at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from eventstore.database import Database
from eventstore.log import read_log
from eventstore.records import EventFilter, RecordedEvent

_PAGE = 1000
_AT_ONCE = 4


class History:
    """Reads the log for who is behind the tail.

    However many come at once, after a restart say, only a few read at a time: the others wait their turn, and
    leave connections for who submits and asks.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def pages(
        self, cursor: int, up_to: int, where: EventFilter
    ) -> AsyncGenerator[tuple[list[RecordedEvent], int], None]:
        """The matching events at cursor < position <= up_to, each page with the cursor behind it.

        While a page is dealt with the next is read. Raises Unavailable.
        """
        reading = asyncio.create_task(self._page(cursor, up_to, where))
        try:
            while True:
                page = await reading
                full = len(page) == _PAGE
                cursor = page[-1].position if full else up_to
                if full and cursor < up_to:
                    reading = asyncio.create_task(self._page(cursor, up_to, where))
                    yield page, cursor
                    continue
                yield page, cursor
                return
        finally:
            reading.cancel()

    async def _page(self, cursor: int, up_to: int, where: EventFilter) -> list[RecordedEvent]:
        async with self._turns:
            return await read_log(self._database, cursor, up_to, _PAGE, where)
