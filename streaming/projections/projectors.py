"""The projectors of a process: one for each table that its code can fill, rebuilds included."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from commander.domain import Domain
from commander.eventstore.database import Database
from commander.eventstore.projections.folding import ensure_tables
from commander.eventstore.projections.rebuilding import rebuild_held
from commander.eventstore.projections.serving import BUILT, TableRecord, table_records
from commander.eventstore.projections.tables import Table
from commander.streaming.handling import HandlingRun
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.signals import TABLES, SignalListener
from commander.streaming.projections.abandoned import AbandonedTables
from commander.streaming.projections.projecting import Projector
from commander.streaming.running import keep_running

logger = logging.getLogger("commander.projections")

_POLL_SECONDS = 1.0


class Projectors:
    """Runs a projector for each table of this version of the code, until its task is cancelled.

    A table of another version is left to the processes of that version.
    """

    def __init__(self, domain: Domain, database: Database, nats: Nats, takeover_seconds: float = 15) -> None:
        """takeover_seconds: how long no process keeps a serving table up before another takes its place."""
        self._domain = domain
        self._takeover_seconds = takeover_seconds
        self._abandoned = AbandonedTables(database)
        self._database = database
        self._nats = nats
        self._made = False
        self._run = HandlingRun()
        self._running: dict[str, Projector] = {}

    async def run(self) -> None:
        """Runs until cancelled. While a server is unreachable it retries."""
        async with asyncio.TaskGroup() as group:
            await keep_running(lambda: self._follow(group), logger)

    async def _follow(self, group: asyncio.TaskGroup) -> None:
        """Starts a projector for each new table. A projector ends by itself when its table is dropped."""
        if not self._made:
            await ensure_tables(self._database, [Table(p) for p in self._domain.projections.values()])
            for projection in self._domain.projections.values():
                if table := await rebuild_held(self._database, projection, self._knows):
                    logger.info("%s is built again, because events that it skipped are known now", table.name)
            self._made = True
        async with SignalListener(self._nats, TABLES) as signal:
            while True:
                records = await table_records(self._database, list(self._domain.projections))
                ours = [record for record in records if self._is_ours(record)]
                for record in ours:
                    if record.table_name not in self._running:
                        self._running[record.table_name] = self._projector(record)
                        group.create_task(self._keep(self._running[record.table_name]))
                    self._running[record.table_name].update_record(record)
                await self._succeed([record for record in records if record.serving], ours)
                await signal.wait(_POLL_SECONDS)

    async def _succeed(self, serving: Sequence[TableRecord], ours: Sequence[TableRecord]) -> None:
        """Lets a table of this code take the place of a serving one that no process keeps up.

        While processes of several versions run, each keeps its tables up, so no table changes places. A table
        of this code that serves is not replaced: its projector is starting.
        """
        await self._abandoned.look({record.name: record.table_name for record in serving})
        for record in serving:
            if self._is_ours(record) or self._abandoned.seconds(record.table_name) < self._takeover_seconds:
                continue
            heirs = [one for one in ours if one.name == record.name and one.serves_when_built]
            built = [one for one in heirs if one.state == BUILT and not one.is_held]
            if built:
                newest = max(built, key=lambda one: one.build)
                self._running[newest.table_name].abandoned = record.table_name

    def states(self) -> Mapping[str, str]:
        """The state of each projection, see `Projector.state`. Of several tables, one that is not ok wins.

        A projection is not ok either while queries read a table that no process keeps up.
        """
        found = dict(self._abandoned.errors)
        for projector in self._running.values():
            if self._is_built_again(projector):
                continue
            if found.get(projector.name, "ok") == "ok":
                found[projector.name] = projector.state
        return found

    def _is_built_again(self, projector: Projector) -> bool:
        """Whether the table is held, and another one of the same code is built instead."""
        seen = projector.seen
        if seen is None or not seen.is_held:
            return False
        others = (one.seen for one in self._running.values() if one.name == projector.name)
        return any(one.build > seen.build for one in others if one is not None)

    def _knows(self, type_name: str) -> bool:
        """Whether a skipped type is known now, or is retired: then to skip it is right."""
        return self._domain.names.known("event", type_name)

    def _is_ours(self, record: TableRecord) -> bool:
        return self._domain.projections[record.name].fingerprint == record.fingerprint

    def _projector(self, record: TableRecord) -> Projector:
        table = Table(self._domain.projections[record.name], record.table_name)
        return Projector(self._domain, self._database, self._nats, table, self._run)

    async def _keep(self, projector: Projector) -> None:
        try:
            await projector.run()
        finally:
            del self._running[projector.table_name]
