"""Follows the log: from the signals of its writers, and from Postgres if a signal was missed.

Positions have no gaps, so a reader detects what it has missed. A query for each transaction and each reader
would cost more than most readers spend on the events.

    polling ─► listening ─► polling …     (polls at first, after a gap, and after a pause without signals)
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType

from commander.eventstore.batches import BATCH_BYTES, may_be_cut
from commander.eventstore.database import Database
from commander.eventstore.log.ranges import read_log
from commander.eventstore.records import RecordedEvent
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.signals import listen_to_log

_POLL_SECONDS = 0.5
_KEPT_EVENTS = 5000
_KEPT_BYTES = 8 * 1024 * 1024


class LogReader:
    """Gives the events after a position, for one task. A context manager.

    pause_seconds: the pause between two reads. Under load, each read then returns more events, which costs
    much less in total, and delays an event by at most the pause.
    """

    def __init__(self, database: Database, nats: Nats, *, pause_seconds: float = 0) -> None:
        self._database = database
        self._nats = nats
        self._pause_seconds = pause_seconds
        self._read_at = 0.0
        self._received: deque[RecordedEvent] = deque()  # dense
        self._received_bytes = 0
        self._must_poll = True
        self._signalled = asyncio.Event()
        self._stop_listening: Callable[[], Awaitable[None]] | None = None

    async def __aenter__(self) -> LogReader:
        self._stop_listening = await listen_to_log(self._nats, self._on_events)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stop_listening is not None:
            await self._stop_listening()

    async def after(self, position: int, limit: int) -> list[RecordedEvent]:
        """The next events, at most `limit` and about BATCH_BYTES.

        If none arrives for a moment, the list is empty. Raises Unavailable if Postgres must be polled and
        cannot be reached.
        """
        loop = asyncio.get_running_loop()
        early = self._read_at + self._pause_seconds - loop.time()
        if early > 0:
            await asyncio.sleep(early)
        events = self._take_received(position, limit)
        if not events and not self._must_poll:
            try:
                async with asyncio.timeout(_POLL_SECONDS):
                    await self._signalled.wait()
            except TimeoutError:
                self._must_poll = True
            events = self._take_received(position, limit)
        if not events and self._must_poll:
            self._must_poll = False  # before the poll: a signal during it may require another poll
            up_to = position + limit
            events = await read_log(self._database, position, up_to, limit, max_bytes=BATCH_BYTES)
            self._must_poll |= may_be_cut(events, limit)
        self._read_at = loop.time() if len(events) < limit else 0.0
        return events

    def _take_received(self, position: int, limit: int) -> list[RecordedEvent]:
        """The received events that follow the position."""
        self._signalled.clear()
        while self._received and self._received[0].position <= position:
            self._received_bytes -= len(self._received.popleft().data)
        if not self._received:
            return []
        if self._received[0].position != position + 1:
            self._must_poll = True
            return []
        taken: list[RecordedEvent] = []
        size = 0
        while self._received and len(taken) < limit and size < BATCH_BYTES:
            taken.append(self._received.popleft())
            size += len(taken[-1].data)
        self._received_bytes -= size
        return taken

    def _on_events(self, events: list[RecordedEvent]) -> None:
        if not events:
            self._must_poll = True
        for event in events:
            if self._received and event.position <= self._received[-1].position:
                continue
            if self._received and event.position != self._received[-1].position + 1:
                self._discard()  # the events between are in Postgres
            self._received.append(event)
            self._received_bytes += len(event.data)
        if len(self._received) > _KEPT_EVENTS or self._received_bytes > _KEPT_BYTES:
            self._discard()
        self._signalled.set()

    def _discard(self) -> None:
        """Drops the received events:

        the reader is too slow or has missed some. The next read polls Postgres.
        """
        self._received.clear()
        self._received_bytes = 0
        self._must_poll = True
