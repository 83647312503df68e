"""The feed: history from a cursor, then live, without a seam; for any number of subscribers in one process.

Every process keeps the newest events in one shared tail in memory, fed by the EVENTS stream. A subscriber
is nothing but a cursor: it reads from the tail while its cursor is in it, and from Postgres while it is
older. So a slow one costs no memory and delays nobody: it falls out of the tail, reads history at its own
pace, and comes back.

    reading history ◄─► reading the tail ─► waiting ─► reading the tail …
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from datetime import datetime
from itertools import islice
from typing import NamedTuple
from uuid import UUID

from commander.domain.errors import InvalidRequest
from eventstore.database import Database
from eventstore.log import head_position, read_log
from eventstore.records import EventFilter, RecordedEvent
from streaming.connection import Nats
from streaming.pull import InMessage, OrderedPull, StreamReplaced
from streaming.running import keep_running
from streaming.streams import EVENTS, parse_event_subject

logger = logging.getLogger("commander.feed")

_PAGE = 500


class CaughtUp(NamedTuple):
    """All that the log held when the subscriber came this far has been delivered; what follows is live."""

    position: int


class Heartbeat(NamedTuple):
    """Nothing that matches has come for a while; a client may resume from `position`."""

    position: int


FeedItem = RecordedEvent | CaughtUp | Heartbeat


class Feed:
    """The shared tail and its readers. tail_size: how many events are kept in memory."""

    def __init__(
        self, database: Database, nats: Nats, *, tail_size: int = 10_000, heartbeat_seconds: float = 15
    ) -> None:
        self._database = database
        self._nats = nats
        self._tail_size = tail_size
        self._heartbeat_seconds = heartbeat_seconds
        self._tail: deque[RecordedEvent] = deque()  # dense: positions _head - len + 1 to _head
        self._head = -1  # -1 until the log was looked at
        self._grown = asyncio.Event()

    @property
    def live(self) -> bool:
        """Whether the tail has begun."""
        return self._head >= 0

    async def run(self) -> None:
        """Feeds the tail, until cancelled."""
        await keep_running(self._follow, logger)

    async def subscribe(
        self, after: int | None = None, where: EventFilter | None = None
    ) -> AsyncIterator[FeedItem]:
        """The matching events after the cursor, each once, in order; None begins with what comes next.

        Raises InvalidRequest for a cursor beyond the log, Unavailable when Postgres is needed and away.
        """
        where = where or EventFilter()
        cursor, began_at = await self._begin(after)
        caught_up = False
        while True:
            mirror_is_behind = self._head < began_at and cursor < began_at
            if mirror_is_behind or not self._reaches_back_to(cursor):
                up_to = max(self._head, began_at)
                page = await read_log(self._database, cursor, up_to, _PAGE, where)
                for event in page:
                    yield event
                cursor = page[-1].position if len(page) == _PAGE else up_to
                continue
            for event in self._tail_after(cursor):
                if where.matches(event):
                    yield event
                cursor = event.position
            if cursor < self._head:
                continue
            if not caught_up:
                caught_up = True
                yield CaughtUp(cursor)
            elif not await self._grows_beyond(cursor):
                yield Heartbeat(cursor)

    async def _begin(self, after: int | None) -> tuple[int, int]:
        """The first cursor, and the log's head: what a client was told of is history, mirrored yet or not."""
        head = await head_position(self._database)
        if self._head < 0:
            self._head = head
        if after is None:
            return head, head
        if after > head:
            raise InvalidRequest("after", f"the log ends at position {head}; {after} is beyond it")
        return after, head

    def _reaches_back_to(self, cursor: int) -> bool:
        return cursor >= self._head - len(self._tail)

    def _tail_after(self, cursor: int) -> list[RecordedEvent]:
        """A page of the tail behind the cursor: a copy, for the tail moves on while it is delivered."""
        newer = self._head - cursor
        if newer <= 0:
            return []
        first = len(self._tail) - newer
        return list(islice(self._tail, first, first + _PAGE))

    async def _grows_beyond(self, cursor: int) -> bool:
        """Waits for the tail to grow; False when it has not for a heartbeat's time."""
        try:
            async with asyncio.timeout(self._heartbeat_seconds):
                while self._head <= cursor:
                    await self._grown.wait()
            return True
        except TimeoutError:
            return False

    async def _follow(self) -> None:
        if self._head < 0:
            self._head = await head_position(self._database)
        try:
            async with OrderedPull(self._nats, EVENTS, ["events.>"], self._head) as mirror:
                while True:
                    self._append(await mirror.next_batch(_PAGE, timeout_seconds=5))
        except StreamReplaced:
            logger.warning("the stream %s was made anew; going on behind position %d", EVENTS, self._head)

    def _append(self, messages: list[InMessage]) -> None:
        for message in messages:
            if message.sequence <= self._head:
                continue
            if message.sequence != self._head + 1:
                self._tail.clear()  # readers find what is missing in Postgres
            self._tail.append(_recorded(message))
            self._head = message.sequence
            if len(self._tail) > self._tail_size:
                self._tail.popleft()
        if messages:
            grown, self._grown = self._grown, asyncio.Event()
            grown.set()


def _recorded(message: InMessage) -> RecordedEvent:
    headers = message.headers
    type_, stream = parse_event_subject(message.subject)
    causation = headers.get("Commander-Causation-Position")
    return RecordedEvent(
        position=message.sequence,
        stream=stream,
        version=int(headers["Commander-Version"]),
        type=type_,
        schema_version=int(headers["Commander-Schema-Version"]),
        data=message.data.decode(),
        command_id=UUID(headers["Commander-Command-Id"]),
        correlation_id=UUID(headers["Commander-Correlation-Id"]),
        causation_position=None if causation is None else int(causation),
        recorded_at=datetime.fromisoformat(headers["Commander-Recorded-At"]),
    )
