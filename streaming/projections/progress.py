"""The progress of projections, for clients that read their own writes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from commander.eventstore.database import Database
from commander.eventstore.log.event_log import head_position
from commander.eventstore.projections.folding import projection_statuses
from commander.eventstore.projections.tables import Table
from commander.streaming.nats.chunks import RawMessage
from commander.streaming.nats.connection import Nats, reaching_nats
from commander.streaming.nats.signals import HEAD, PROJECTIONS, signal_subject

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


class ProjectionProgress:
    """Listens to the signals of each table. It polls Postgres if a signal may be lost."""

    def __init__(self, nats: Nats, database: Database, tables: Mapping[str, Table]) -> None:
        """tables: the serving table of each projection. One that is missing counts as position 0."""
        self._nats = nats
        self._database = database
        self._tables = tables
        self._positions: dict[str, int] = {}
        self._moved = asyncio.Event()
        self._head = 0
        self._polled_at = 0.0

    async def start(self) -> None:
        """Subscribes to the signals and reads the current progress. Raises Unavailable."""
        with reaching_nats():
            names = self._nats.names
            every = signal_subject(names, PROJECTIONS, "*")
            await self._nats.client.subscribe_chunks(every, self._on_signals)
            await self._nats.client.subscribe_chunks(signal_subject(names, HEAD), self._on_head)
        await self._poll(self._tables)

    async def reached(self, name: str) -> Reached:
        """The progress of this projection.

        If a signal may be missing, Postgres is polled, at a limited rate.
        """
        listens = self._nats.connected and self._nats.circuit.unreachable is None
        doubtful = self.position_of(name) < self._head or not listens
        if doubtful and asyncio.get_running_loop().time() > self._polled_at + _POLL_SECONDS:
            await self._poll([name])
        return Reached(self.position_of(name), self._head)

    @property
    def head(self) -> int:
        """The head of the log, as last known."""
        return self._head

    async def refresh(self) -> None:
        """Reads the head of the log and the checkpoints of all projections. Raises Unavailable."""
        await self._poll(self._tables)

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

    async def reach(self, names: Iterable[str], position: int, timeout_seconds: float) -> bool:
        """Waits until all these projections have folded `position`. Returns False after the timeout."""
        wanted = list(names)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_seconds
        while not self._reached(wanted, position):
            remaining = deadline - loop.time()
            try:
                async with asyncio.timeout(min(_POLL_SECONDS, max(0, remaining))):
                    await self._moved.wait()
            except TimeoutError:
                await self._poll(wanted)
                if remaining <= _POLL_SECONDS:
                    return self._reached(wanted, position)
        return True

    async def beyond(self, table: Table, position: int, timeout_seconds: float) -> None:
        """Returns when a signal says that this table is beyond the position, or after the timeout."""
        try:
            async with asyncio.timeout(timeout_seconds):
                while self._positions.get(table.name, 0) <= position:
                    await self._moved.wait()
        except TimeoutError:
            pass

    def _reached(self, names: Iterable[str], position: int) -> bool:
        return all(self.position_of(name) >= position for name in names)

    async def _poll(self, names: Iterable[str]) -> None:
        self._polled_at = asyncio.get_running_loop().time()
        self._head = max(self._head, await head_position(self._database))
        tables = [table for name in names if (table := self._tables.get(name)) is not None]
        for status in await projection_statuses(self._database, tables):
            self._note(status.table_name, status.position)

    def _on_signals(self, messages: list[RawMessage]) -> None:
        for message in messages:
            self._note(message.subject.rpartition(b".")[2].decode(), int(message.data))

    def _on_head(self, messages: list[RawMessage]) -> None:
        self._head = max(self._head, *(int(message.data) for message in messages))

    def _note(self, table_name: str, position: int) -> None:
        self._positions[table_name] = max(self._positions.get(table_name, 0), position)
        self._head = max(self._head, position)
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
