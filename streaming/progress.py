"""How far the projections have come, for those who wait to read what they wrote."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from eventstore.database import Database
from eventstore.projections import standings
from eventstore.tables import Table
from streaming.bulk import RawMessage
from streaming.connection import Nats, reaching_nats

_LOOK_SECONDS = 0.5


class ProjectionProgress:
    """Hears of each table's moves; a hint that was lost is made up for by looking into Postgres."""

    def __init__(self, nats: Nats, database: Database, tables: Mapping[str, Table]) -> None:
        """tables: that each projection is read from now; those that are missing have reached nothing."""
        self._nats = nats
        self._database = database
        self._tables = tables
        self._positions: dict[str, int] = {}
        self._moved = asyncio.Event()

    async def start(self) -> None:
        with reaching_nats():
            await self._nats.client.subscribe_bulk("signals.projection.*", self._on_signals)

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

    def _reached(self, names: Iterable[str], position: int) -> bool:
        tables = [self._tables.get(name) for name in names]
        return all(t is not None and self._positions.get(t.name, 0) >= position for t in tables)

    async def _look(self, names: Iterable[str]) -> None:
        tables = [table for name in names if (table := self._tables.get(name)) is not None]
        for standing in await standings(self._database, tables):
            self._note(standing.table_name, standing.position)

    def _on_signals(self, messages: list[RawMessage]) -> None:
        for message in messages:
            self._note(message.subject.rpartition(b".")[2].decode(), int(message.data))

    def _note(self, table_name: str, position: int) -> None:
        self._positions[table_name] = max(self._positions.get(table_name, 0), position)
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
