"""How far the projections have come, for those who wait to read what they wrote."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from eventstore.database import Database
from eventstore.projections import standings
from eventstore.tables import Table
from streaming.bulk import RawMessage
from streaming.connection import Nats, reaching_nats

_LOOK_SECONDS = 0.5


class ProjectionProgress:
    """Hears of each projection's moves; a hint that was lost is made up for by looking into Postgres."""

    def __init__(self, nats: Nats, database: Database, tables: Iterable[Table]) -> None:
        self._nats = nats
        self._database = database
        self._tables = list(tables)
        self._positions = {table.projection.name: 0 for table in self._tables}
        self._moved = asyncio.Event()

    async def start(self) -> None:
        with reaching_nats():
            await self._nats.client.subscribe_bulk("signals.projection.*", self._on_signals)

    @property
    def moved(self) -> asyncio.Event:
        """Set at the next move, and then another: take it, look at the positions, and wait for it."""
        return self._moved

    def position_of(self, name: str) -> int:
        """How far this projection has come, as last heard; 0 before anything was."""
        return self._positions.get(name, 0)

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
        for standing in await standings(self._database, self._tables):
            self._note(standing.name, standing.position)

    def _on_signals(self, messages: list[RawMessage]) -> None:
        for message in messages:
            name = message.subject.rpartition(b".")[2].decode()
            if name in self._positions:
                self._note(name, int(message.data))

    def _note(self, name: str, position: int) -> None:
        self._positions[name] = max(self._positions[name], position)
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
