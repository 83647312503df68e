"""Following the log: as its writers tell of it, and from Postgres where they were not heard.

Positions are dense, so a reader sees what it has missed. Asking Postgres for each transaction, for each who
follows, would cost more than what most do with the events.

    looking ─► hearing ─► looking …     (looks at first, after a gap, and when nothing was told for a while)
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType

from commander.eventstore.database import Database
from commander.eventstore.log.event_log import read_log
from commander.eventstore.records import RecordedEvent
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.signals import listen_to_log

_LOOK_SECONDS = 0.5
_KEPT_EVENTS = 5000
_KEPT_BYTES = 8 * 1024 * 1024


class LogReader:
    """Gives the events behind a position. For one task.

    pause_seconds: how long after one reading the next begins. Who reads all there is each time does a
    fraction of the work for it, under load, and comes later by at most as much.
    """

    def __init__(self, database: Database, nats: Nats, *, pause_seconds: float = 0) -> None:
        self._database = database
        self._nats = nats
        self._pause_seconds = pause_seconds
        self._read_at = 0.0
        self._told: deque[RecordedEvent] = deque()  # dense
        self._told_bytes = 0
        self._must_look = True
        self._signalled = asyncio.Event()
        self._stop_hearing: Callable[[], Awaitable[None]] | None = None

    async def __aenter__(self) -> LogReader:
        self._stop_hearing = await listen_to_log(self._nats, self._hear)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stop_hearing is not None:
            await self._stop_hearing()

    async def after(self, position: int, limit: int) -> list[RecordedEvent]:
        """The events that follow, at most `limit`; waits for one, a moment, and then gives none.

        Raises Unavailable when Postgres must be asked and is away.
        """
        loop = asyncio.get_running_loop()
        early = self._read_at + self._pause_seconds - loop.time()
        if early > 0:
            await asyncio.sleep(early)
        events = self._heard(position, limit)
        if not events and not self._must_look:
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._signalled.wait()
            except TimeoutError:
                self._must_look = True
            events = self._heard(position, limit)
        if not events and self._must_look:
            self._must_look = False  # before it looks: what is told meanwhile may call for another look
            events = await read_log(self._database, position, position + limit, limit)
            self._must_look |= len(events) == limit
        self._read_at = loop.time() if len(events) < limit else 0.0
        return events

    def _heard(self, position: int, limit: int) -> list[RecordedEvent]:
        """What was told and follows the position."""
        self._signalled.clear()
        while self._told and self._told[0].position <= position:
            self._told_bytes -= len(self._told.popleft().data)
        if not self._told:
            return []
        if self._told[0].position != position + 1:
            self._must_look = True
            return []
        taken = [self._told.popleft() for _ in range(min(limit, len(self._told)))]
        self._told_bytes -= sum(len(event.data) for event in taken)
        return taken

    def _hear(self, events: list[RecordedEvent]) -> None:
        if not events:
            self._must_look = True
        for event in events:
            if self._told and event.position <= self._told[-1].position:
                continue
            if self._told and event.position != self._told[-1].position + 1:
                self._forget()  # what lies between is in Postgres
            self._told.append(event)
            self._told_bytes += len(event.data)
        if len(self._told) > _KEPT_EVENTS or self._told_bytes > _KEPT_BYTES:
            self._forget()
        self._signalled.set()

    def _forget(self) -> None:
        """The reader is behind, or has missed something: Postgres has it all."""
        self._told.clear()
        self._told_bytes = 0
        self._must_look = True
