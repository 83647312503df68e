"""The serving table of each projection, as recorded in Postgres. Every API process follows it."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Iterator, Mapping
from typing import Any

from commander.domain import ProjectionType
from commander.eventstore.database import Database
from commander.eventstore.projections.serving import ProjectionBuilding, table_for, table_records
from commander.eventstore.projections.tables import Table
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.signals import TABLES, SignalListener
from commander.streaming.projections.abandoned import AbandonedTables
from commander.streaming.running import keep_running

logger = logging.getLogger("commander.projections")

_POLL_SECONDS = 1.0
_LOOK_SECONDS = 5.0


class ServingTables(Mapping[str, Table]):
    """The serving table of each projection, by the projection's name.

    Indexing raises ProjectionBuilding for a projection without a table; `get` and `in` treat it as missing.
    A signal announces a switch. Polling makes up for a lost signal.
    """

    def __init__(self, database: Database, nats: Nats, projections: Mapping[str, ProjectionType]) -> None:
        self._database = database
        self._nats = nats
        self._projections = projections
        self._tables: dict[str, Table] = {}
        self._abandoned = AbandonedTables(database)
        self._looked_at = -math.inf
        self._held: frozenset[str] = frozenset()

    def __getitem__(self, name: str) -> Table:
        if name in self._projections and name not in self._tables:
            if name in self._held:
                raise ProjectionBuilding(f"the table of the projection {name} skipped events; see its log")
            raise ProjectionBuilding(f"the projection {name} is being built; try again later")
        return self._tables[name]

    def get(self, name: str, default: Any = None) -> Any:
        return self._tables.get(name, default)

    def __contains__(self, name: object) -> bool:
        return name in self._tables

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    @property
    def errors(self) -> Mapping[str, str]:
        """For each projection whose table no process keeps up with the log: what to do."""
        return self._abandoned.errors

    async def run(self) -> None:
        """Follows the serving tables until cancelled."""
        await keep_running(self._follow, logger)

    async def _follow(self) -> None:
        async with SignalListener(self._nats, TABLES) as signal:
            while True:
                await self.refresh()
                await self._look()
                await signal.wait(_POLL_SECONDS)

    async def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._looked_at + _LOOK_SECONDS:
            self._looked_at = now
            await self._abandoned.look({name: table.name for name, table in self._tables.items()})

    async def refresh(self) -> None:
        """Reads the serving tables from Postgres. Raises Unavailable."""
        records = await table_records(self._database, list(self._projections))
        found = {name: table_for(projection, records) for name, projection in self._projections.items()}
        tables = {name: table for name, table in found.items() if table is not None}
        for name in tables:
            if name in self._tables and tables[name].name == self._tables[name].name:
                tables[name] = self._tables[name]  # it has cached statements
            else:
                logger.info("the projection %s is read from %s", name, tables[name].name)
        self._held = frozenset(record.name for record in records if record.is_held)
        self._tables = tables
