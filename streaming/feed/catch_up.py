"""Catch-up for subscribers, from Postgres: in pages, with one page read ahead, for a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from commander.eventstore.batches import BATCH_BYTES, may_be_cut
from commander.eventstore.database import Database
from commander.eventstore.log.ranges import read_log
from commander.eventstore.records import EventFilter, RecordedEvent
from commander.streaming.log.event_codec import believed
from commander.streaming.nats.chunks import InMessage
from commander.streaming.nats.names import Names

_FIRST_PAGE = 100
_MAX_PAGE = 1000
_PAGE_BYTES = 2 * 1024 * 1024
_AT_ONCE = 4


class CatchUp:
    """Reads the log for subscribers behind the tail.

    Many subscribers may come at once, for example after a restart. Only a few read at a time and the others
    wait. So connections are left for commands and queries.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def pages(
        self, cursor: int, up_to: int, where: EventFilter
    ) -> AsyncGenerator[tuple[list[RecordedEvent], int], None]:
        """The matching events at cursor < position <= up_to, in pages, each with the cursor after it.

        The next page is read while the caller handles the last one. Large events make small pages.
        Raises Unavailable.
        """
        limit = _FIRST_PAGE
        reading = asyncio.create_task(self._page(cursor, up_to, where, limit))
        try:
            while True:
                page = await reading
                if not may_be_cut(page, limit):
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
            return await read_log(self._database, cursor, up_to, limit, where, max_bytes=BATCH_BYTES)


async def believed_events(
    database: Database, names: Names, messages: Sequence[InMessage]
) -> list[RecordedEvent]:
    """The events of these messages; from Postgres, if one does not carry the epoch of the log."""
    events = [event for message in messages if (event := believed(names, message)) is not None]
    if len(events) == len(messages):
        return events
    return await read_log(database, messages[0].sequence - 1, messages[-1].sequence, len(messages))


def _next_limit(page: list[RecordedEvent]) -> int:
    size = sum(len(event.data) for event in page) // len(page)
    return max(10, min(_MAX_PAGE, _PAGE_BYTES // max(1, size)))
