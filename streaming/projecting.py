"""Folding the log into projection tables, each on its own, so that one that stops stops alone."""

from __future__ import annotations

import asyncio
import logging

from commander.domain import Domain, ProjectionFailed, UndecodableEvent
from eventstore.database import Connection, Database
from eventstore.locks import Lock, lock_key, sole_holder
from eventstore.log import read_log
from eventstore.projections import ensure_tables, fold, position_of, save_failure
from eventstore.records import RecordedEvent
from eventstore.tables import Table
from streaming.connection import Nats
from streaming.reading import LogReader
from streaming.running import keep_running
from streaming.signals import told_projection
from streaming.tracing import SpanKind, mark_events, now_ns

logger = logging.getLogger("commander.projections")

_PAUSE_SECONDS = 0.01
_BATCH = 1000
_RETRY_FAILED_SECONDS = 5.0


class Projector:
    """Keeps one projection up with the log, until its task is cancelled."""

    def __init__(self, domain: Domain, database: Database, nats: Nats, table: Table) -> None:
        self._domain = domain
        self._database = database
        self._nats = nats
        self._table = table
        self.failure: str | None = None
        self.position = 0

    @property
    def name(self) -> str:
        return self._table.projection.name

    async def run(self) -> None:
        await keep_running(self._hold, logger)

    async def _hold(self) -> None:
        """One tenure: the lock and the writes are on one connection, so nobody else folds meanwhile."""
        await ensure_tables(self._database, [self._table])
        key, application = lock_key(self._table.name), f"commander projection {self.name}"
        async with (
            sole_holder(self._database, Lock.PROJECTION, key, application, durable=False) as connection,
            LogReader(self._database, self._nats, pause_seconds=_PAUSE_SECONDS) as log,
        ):
            self.position = await position_of(connection, self._table)
            logger.info("projection %s goes on from position %d", self.name, self.position)
            while True:
                await self._follow(connection, log)

    async def _follow(self, connection: Connection, log: LogReader) -> None:
        events = await log.after(self.position, _BATCH)
        if not events:
            return
        up_to = events[-1].position
        began = now_ns()
        try:
            await fold(connection, self._domain, self._table, events, up_to)
        except (ProjectionFailed, UndecodableEvent) as error:
            await self._stop_at(connection, error)
            return
        self.failure = None
        self.position = up_to
        mark_events(f"project {self.name}", events, began, SpanKind.CONSUMER, self._handles)
        await self._nats.tell([told_projection(self.name, up_to)])

    def _handles(self, event: RecordedEvent) -> bool:
        type_ = self._domain.event_type(event.type)
        return type_ is not None and type_.cls in self._table.projection.handlers

    async def _stop_at(self, connection: Connection, error: ProjectionFailed | UndecodableEvent) -> None:
        """Folds what stands before the failing event, says what happened, and tries again later."""
        before = await read_log(self._database, self.position, error.position - 1, _BATCH)
        if before:
            try:
                await fold(connection, self._domain, self._table, before, error.position - 1)
            except (ProjectionFailed, UndecodableEvent) as earlier:
                await self._stop_at(connection, earlier)
                return
            self.position = error.position - 1
            await self._nats.tell([told_projection(self.name, self.position)])
        if str(error) != self.failure:
            logger.error("%s; it stays before that event until its code is mended", error)
        await save_failure(connection, self._table, error.position, str(error))
        self.failure = str(error)
        await asyncio.sleep(_RETRY_FAILED_SECONDS)
