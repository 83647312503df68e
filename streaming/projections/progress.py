"""How far the projections have come, for those who wait to read what they wrote."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from commander.eventstore.database import Database
from commander.eventstore.log.event_log import head_position
from commander.eventstore.projections.folding import standings
from commander.eventstore.projections.tables import Table
from commander.streaming.nats.chunks import RawMessage
from commander.streaming.nats.connection import Nats, reaching_nats
from commander.streaming.nats.signals import HEAD

_LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Reached:
    """position: a projection has folded the log up to there at least. head: the log's, as last heard."""

    position: int
    head: int

    @property
    def lag(self) -> int:
        """How many events are still to be folded."""
        return max(0, self.head - self.position)


class ProjectionProgress:
    """Hears of each table's moves; a hint that was lost is made up for by looking into Postgres."""

    def __init__(self, nats: Nats, database: Database, tables: Mapping[str, Table]) -> None:
        """tables: that each projection is read from now; those that are missing have reached nothing."""
        self._nats = nats
        self._database = database
        self._tables = tables
        self._positions: dict[str, int] = {}
        self._moved = asyncio.Event()
        self._head = 0
        self._looked_at = 0.0

    async def start(self) -> None:
        with reaching_nats():
            await self._nats.client.subscribe_chunks("signals.projection.*", self._on_signals)
            await self._nats.client.subscribe_chunks(HEAD, self._on_head)
        await self._look(self._tables)

    async def reached(self, name: str) -> Reached:
        """How far this projection has come. Where a hint may be missing, Postgres is asked, now and then."""
        doubtful = self.position_of(name) < self._head or not self._nats.connected
        if doubtful and asyncio.get_running_loop().time() > self._looked_at + _LOOK_SECONDS:
            await self._look([name])
        return Reached(self.position_of(name), self._head)

    @property
    def moved(self) -> asyncio.Event:
        """Set at the next move, and then another: take it, look at the positions, and wait for it."""
        return self._moved

    def position_of(self, name: str) -> int:
        """How far the table is that this projection is read from, as last heard; 0 before anything was."""
        table = self._tables.get(name)
        return 0 if table is None else self._positions.get(table.name, 0)

    async def reach(self, names: Iterable[str], position: int, timeout_seconds: float) -> bool:
        """Waits until all these projections have folded `position`; False when they have not in time."""
        wanted = list(names)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_seconds
        while not self._reached(wanted, position):
            remaining = deadline - loop.time()
            try:
                async with asyncio.timeout(min(_LOOK_SECONDS, max(0, remaining))):
                    await self._moved.wait()
            except TimeoutError:
                await self._look(wanted)
                if remaining <= _LOOK_SECONDS:
                    return self._reached(wanted, position)
        return True

    async def beyond(self, table: Table, position: int, timeout_seconds: float) -> None:
        """Returns when this table is heard to be beyond the position, or after the timeout."""
        try:
            async with asyncio.timeout(timeout_seconds):
                while self._positions.get(table.name, 0) <= position:
                    await self._moved.wait()
        except TimeoutError:
            pass

    def _reached(self, names: Iterable[str], position: int) -> bool:
        return all(self.position_of(name) >= position for name in names)

    async def _look(self, names: Iterable[str]) -> None:
        self._looked_at = asyncio.get_running_loop().time()
        self._head = max(self._head, await head_position(self._database))
        tables = [table for name in names if (table := self._tables.get(name)) is not None]
        for standing in await standings(self._database, tables):
            self._note(standing.table_name, standing.position)

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
