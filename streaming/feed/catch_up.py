"""CatchUp for subscribers, from Postgres: in pages, one read ahead, a few subscribers at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from commander.eventstore.database import Database
from commander.eventstore.log.event_log import read_log
from commander.eventstore.records import EventFilter, RecordedEvent

_FIRST_PAGE = 100
_MAX_PAGE = 1000
_PAGE_BYTES = 2 * 1024 * 1024
_AT_ONCE = 4


class CatchUp:
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

        While a page is dealt with the next is read. Large events make small pages. Raises Unavailable.
        """
        limit = _FIRST_PAGE
        reading = asyncio.create_task(self._page(cursor, up_to, where, limit))
        try:
            while True:
                page = await reading
                if len(page) < limit:
                    yield page, up_to
                    return
                cursor = page[-1].position
                limit = _next_limit(page)
                reading = asyncio.create_task(self._page(cursor, up_to, where, limit))
                yield page, cursor
        finally:
            reading.cancel()

    async def _page(self, cursor: int, up_to: int, where: EventFilter, limit: int) -> list[RecordedEvent]:
        async with self._turns:
            return await read_log(self._database, cursor, up_to, limit, where)


def _next_limit(page: list[RecordedEvent]) -> int:
    size = sum(len(event.data) for event in page) // len(page)
    return max(10, min(_MAX_PAGE, _PAGE_BYTES // max(1, size)))
