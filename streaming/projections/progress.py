"""The progress of projections, for clients that read their own writes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from commander.eventstore.database import Database
from commander.eventstore.log.event_log import head_position
from commander.eventstore.projections.folding import Stopped, projection_statuses
from commander.eventstore.projections.tables import Table
from commander.streaming.nats.chunks import RawMessage
from commander.streaming.nats.connection import Nats, reaching_nats
from commander.streaming.nats.signals import HEAD, PROJECTIONS, STOPPED, signal_subject

_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Reached:
    """The progress of a projection.

    position: it has folded the log at least up to it. head: as last known.
    """

    position: int
    head: int

    @property
    def lag(self) -> int:
        """How many events are still to be folded."""
        return max(0, self.head - self.position)


@dataclass(frozen=True)
class Behind:
    """A projection that has not folded a position that is waited for.

    wanted: that position. stopped: the event before it that the projection cannot fold; None if it is late.
    """

    projection: str
    position: int
    wanted: int
    stopped: Stopped | None


class ProjectionProgress:
    """Listens to the signals of each table. It polls Postgres if one may be lost."""

    def __init__(self, nats: Nats, database: Database, tables: Mapping[str, Table]) -> None:
        """tables: the serving table of each projection. One that is missing counts as position 0."""
        self._nats = nats
        self._database = database
        self._tables = tables
        self._positions: dict[str, int] = {}
        self._stopped: dict[str, Stopped] = {}
        self._polling = asyncio.Lock()
        self._moved = asyncio.Event()
        self._head = 0
        self._polled_at = 0.0
        self._is_doubtful = False

    async def start(self) -> None:
        """Subscribes to the signals and reads the current progress. Raises Unavailable."""
        with reaching_nats():
            names = self._nats.names
            every = signal_subject(names, PROJECTIONS, "*")
            await self._nats.client.subscribe_chunks(every, self._on_signals)
            await self._nats.client.subscribe_chunks(signal_subject(names, HEAD), self._on_head)
            await self._nats.client.subscribe_chunks(signal_subject(names, STOPPED), self._on_stop)
        await self.refresh()

    async def reached(self, name: str) -> Reached:
        """The progress of this projection.

        If a signal may be missing, Postgres is polled, at a limited rate.
        """
        listens = self._nats.connected and self._nats.circuit.unreachable is None
        doubtful = self.position_of(name) < self._head or not listens
        if doubtful and asyncio.get_running_loop().time() > self._polled_at + _POLL_SECONDS:
            await self.refresh()
        return Reached(self.position_of(name), self._head)

    @property
    def head(self) -> int:
        """The head of the log, as last known."""
        return self._head

    async def refresh(self) -> None:
        """Reads the head of the log, and checkpoints and failures of all projections. Raises Unavailable.

        Those that ask while it is read share the next reading.
        """
        asked = asyncio.get_running_loop().time()
        async with self._polling:
            if self._polled_at > asked:
                return
            self._is_doubtful = False
            began = asyncio.get_running_loop().time()
            self._head = max(self._head, await head_position(self._database))
            tables = [table for name in self._tables if (table := self._tables.get(name)) is not None]
            stopped = {}
            for status in await projection_statuses(self._database, tables):
                if status.stopped is not None:
                    stopped[status.table_name] = status.stopped
                self._note(status.table_name, status.position)
            self._stopped = stopped
            self._polled_at = began

    @property
    def moved(self) -> asyncio.Event:
        """The event of the next move; each move sets it and replaces it.

        To wait without a race: take it, check the positions, then wait for it.
        """
        return self._moved

    def position_of(self, name: str) -> int:
        """The last known checkpoint of this projection's serving table; 0 if unknown."""
        table = self._tables.get(name)
        return 0 if table is None else self._positions.get(table.name, 0)

    def stopped(self, name: str) -> Stopped | None:
        """Why this projection's serving table has stopped, as last known; None if it has not."""
        table = self._tables.get(name)
        found = None if table is None else self._stopped.get(table.name)
        return None if found is None or self.position_of(name) >= found.position else found

    def behind(self, wanted: Mapping[str, int]) -> list[Behind]:
        """Those of these projections that have not folded their position, as last known."""
        found = []
        for name, position in wanted.items():
            if (reached := self.position_of(name)) < position:
                stopped = self.stopped(name)
                if stopped is not None and stopped.position > position:
                    stopped = None
                found.append(Behind(name, reached, position, stopped))
        return found

    async def reach(self, wanted: Mapping[str, int], timeout_seconds: float) -> list[Behind]:
        """Waits until each of these projections has folded its position. Returns those that have not.

        It returns after the timeout, and at once when one of them has stopped before its position.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        while behind := self.behind(wanted):
            remaining = began + timeout_seconds - loop.time()
            if any(one.stopped for one in behind):
                if self._polled_at >= began - _POLL_SECONDS:
                    return behind
                await self.refresh()  # it may have gone on, and the signal may be lost
                continue
            try:
                async with asyncio.timeout(min(_POLL_SECONDS, max(0, remaining))):
                    await self._moved.wait()
                if self._is_doubtful:
                    await self.refresh()
            except TimeoutError:
                await self.refresh()
                if remaining <= _POLL_SECONDS:
                    return self.behind(wanted)
        return []

    async def beyond(self, table: Table, position: int, timeout_seconds: float) -> None:
        """Returns when a signal says that this table is beyond the position, or after the timeout."""
        try:
            async with asyncio.timeout(timeout_seconds):
                while self._positions.get(table.name, 0) <= position:
                    await self._moved.wait()
        except TimeoutError:
            pass

    def _on_signals(self, messages: list[RawMessage]) -> None:
        for message in messages:
            self._note(message.subject.rpartition(b".")[2].decode(), int(message.data))

    def _on_head(self, messages: list[RawMessage]) -> None:
        self._head = max(self._head, *(int(message.data) for message in messages))

    def _on_stop(self, _: list[RawMessage]) -> None:
        self._is_doubtful = True
        self._wake()

    def _note(self, table_name: str, position: int) -> None:
        self._positions[table_name] = max(self._positions.get(table_name, 0), position)
        self._head = max(self._head, position)
        self._wake()

    def _wake(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
