"""How far the projections have come, for those who wait to read what they wrote."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from eventstore.database import Database
from eventstore.log import head_position
from eventstore.projections import standings
from eventstore.tables import Table
from streaming.bulk import RawMessage
from streaming.connection import Nats, reaching_nats
from streaming.signals import HEAD

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
    """Hears of each projection's moves; a hint that was lost is made up for by looking into Postgres."""

    def __init__(self, nats: Nats, database: Database, tables: Iterable[Table]) -> None:
        self._nats = nats
        self._database = database
        self._tables = list(tables)
        self._positions = {table.projection.name: 0 for table in self._tables}
        self._moved = asyncio.Event()
        self._head = 0
        self._looked_at = 0.0

    async def start(self) -> None:
        with reaching_nats():
            await self._nats.client.subscribe_bulk("signals.projection.*", self._on_signals)
            await self._nats.client.subscribe_bulk(HEAD, self._on_head)
        await self._look()

    async def reached(self, name: str) -> Reached:
        """How far this projection has come. Where a hint may be missing, Postgres is asked, now and then."""
        doubtful = self._positions[name] < self._head or not self._nats.connected
        if doubtful and asyncio.get_running_loop().time() > self._looked_at + _LOOK_SECONDS:
            await self._look()
        return Reached(self._positions[name], self._head)

    async def reach(self, names: Iterable[str], position: int, timeout_seconds: float) -> bool:
        """Waits until all these projections have folded `position`; False when they have not in time."""
        wanted = list(names)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_seconds
        while any(self._positions[name] < position for name in wanted):
            remaining = deadline - loop.time()
            try:
                async with asyncio.timeout(min(_LOOK_SECONDS, max(0, remaining))):
                    await self._moved.wait()
            except TimeoutError:
                await self._look()
                if remaining <= _LOOK_SECONDS:
                    return all(self._positions[name] >= position for name in wanted)
        return True

    async def _look(self) -> None:
        self._looked_at = asyncio.get_running_loop().time()
        self._head = max(self._head, await head_position(self._database))
        for standing in await standings(self._database, self._tables):
            self._note(standing.name, standing.position)

    def _on_signals(self, messages: list[RawMessage]) -> None:
        for message in messages:
            name = message.subject.rpartition(b".")[2].decode()
            if name in self._positions:
                self._note(name, int(message.data))

    def _on_head(self, messages: list[RawMessage]) -> None:
        self._head = max(self._head, *(int(message.data) for message in messages))

    def _note(self, name: str, position: int) -> None:
        self._positions[name] = max(self._positions[name], position)
        self._head = max(self._head, position)
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
