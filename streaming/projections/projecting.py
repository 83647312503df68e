"""Folds the log into projection tables. Each table has its own projector, so a failure stops only one table.

A new table is filled first:

    filling ─► at the head: indexes ─► at the head again: built, and it serves ─► following
                                                                inline projections: ▲ │ at the head, serving
           a failing event, another serving table, or events appended without it ── │ ▼
                                                                                  inline
"""

from __future__ import annotations

import asyncio
import logging

from commander.domain import Domain, ProjectionFailed, UndecodableEvent, UnknownEvent
from commander.domain.comparing import unknown_event_types
from commander.domain.errors import timed_out
from commander.eventstore.database import Connection, Database
from commander.eventstore.handling import end_handling
from commander.eventstore.locks import Lock, held_keys, lock_key, sole_holder
from commander.eventstore.log.stored_names import stored_names
from commander.eventstore.projections.filling import Filling
from commander.eventstore.projections.folding import ensure_tables, fold, save_failure
from commander.eventstore.projections.inline import enter_inline
from commander.eventstore.projections.log_ranges import LogRange, read_range
from commander.eventstore.projections.rows import Rows, Unwritable
from commander.eventstore.projections.serving import (
    BUILDING,
    TableGone,
    TableRecord,
    make_indexes,
    mark_built,
    restart,
    table_record,
    vacuum,
)
from commander.eventstore.projections.tables import Table
from commander.eventstore.records import RecordedEvent
from commander.streaming.handling import HandlingRun
from commander.streaming.log.prefetch import LogPrefetch
from commander.streaming.log.reading import LogReader
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.signals import projection_signal, stopped_signal, tables_signal
from commander.streaming.newer_code import NotKnown
from commander.streaming.projections.abandoned import replace_abandoned
from commander.streaming.projections.inline_mode import enter, watch
from commander.streaming.projections.quarantine import SetAside, begin_table, handler_of, stay_stopped
from commander.streaming.running import keep_running
from commander.streaming.tracing import SpanKind, mark_events, now_ns

logger = logging.getLogger("commander.projections")

_PAUSE_SECONDS = 0.01
_BATCH = 10_000
_KNOWN_ROWS = 100_000
_RETRY_FAILED_SECONDS = 5.0
_RETRY_TIMED_OUT_SECONDS = 600.0
"""Rarely: each retry takes its time from the other projections of the process."""


class Projector:
    """Folds the log into one table until its task is cancelled or the table is dropped.

    position: the checkpoint of the table. failure: why it has stopped; None if it has not. seen: the record
    of the table, for those that do not hold its lock. abandoned: a table that this one takes over from.
    """

    def __init__(
        self,
        domain: Domain,
        database: Database,
        nats: Nats,
        table: Table,
        run: HandlingRun | None = None,
    ) -> None:
        """run: that of this process."""
        self._run = run or HandlingRun()
        self._domain = domain
        self._database = database
        self._nats = nats
        self._table = table
        self._types = frozenset(table.projection.by_event)
        self._rows = Rows(table)
        self._made = False
        self.seen: TableRecord | None = None
        self._record: TableRecord | None = None
        self._filling: Filling | None = None
        self._indexed = False
        self._head = self.position = 0
        self.failure: str | None = None
        self.abandoned: str | None = None

    @property
    def name(self) -> str:
        return self._table.projection.name

    @property
    def table_name(self) -> str:
        return self._table.name

    @property
    def state(self) -> str:
        """'ok', or why the projector has stopped, or the progress of building the first table of its code."""
        if self.failure is not None:
            return self.failure
        record = self._record or self.seen
        if record is None:
            return "not started yet"
        if self.seen is not None and self.seen.is_held:
            return self.seen.held_because
        if record.state != BUILDING or record.build > 1:
            return "ok"
        return f"building: at position {self.position} of {self._head}"

    def update_record(self, record: TableRecord) -> None:
        """Updates the table's record, for a projector that does not hold the lock."""
        self.seen = record

    async def run(self) -> None:
        """Runs until cancelled or the table is dropped. While a server is unreachable it retries."""
        try:
            await keep_running(self._hold, logger)
        except TableGone as error:
            logger.info("%s", error)

    async def _hold(self) -> None:
        """Folds while it holds the lock. The connection that has the lock writes: nobody else can write."""
        self._record = self._filling = None
        if not self._made:
            await ensure_tables(self._database, [self._table])
            self._made = True
        key, application = lock_key(self._table.name), f"commander projection {self.name}"
        if self.failure is not None and key in await held_keys(self._database, Lock.PROJECTION):
            self.failure = None  # it has been taken over
        async with (
            sole_holder(self._database, Lock.PROJECTION, key, application, durable=False) as connection,
            LogReader(self._database, self._nats, pause_seconds=_PAUSE_SECONDS) as reader,
        ):
            self._record = await table_record(connection, self._table)
            self.position = self._record.position
            self._rows = Rows(self._table)
            logger.info("%s continues from position %d", self._table.name, self.position)
            try:
                await self._begin(connection, self._record)
                self._filling = self._new_filling(connection, self._record)
                async with LogPrefetch(
                    self._database, reader, self._types, self.position, limit=_BATCH
                ) as log:
                    while True:
                        await self._follow(connection, log)
            finally:
                if self._filling is not None:
                    await self._filling.abandon()
                await end_handling(connection, [handler_of(self._table)], self._run.id)

    async def _begin(self, connection: Connection, record: TableRecord) -> None:
        """Marks the table. If the run before has died, folds the events that may have been the cause."""
        try:
            await begin_table(
                *(connection, self._table, self._run, record),
                lambda: self._read_record(connection),
                lambda log_range: self._fold(connection, log_range),
            )
        except SetAside as error:
            self.failure = str(error)
            await stay_stopped(connection, self._table, error)
        self._record = await table_record(connection, self._table)

    def _new_filling(self, connection: Connection, record: TableRecord) -> Filling | None:
        if record.state != BUILDING or self._table.projection.found_by:
            return None
        return Filling(self._database, connection, self._domain, self._table, self.position)

    async def _follow(self, connection: Connection, log: LogPrefetch) -> None:
        if self._record is not None and self._record.inline:
            record = await self._read_record(connection)
            if record.inline:
                await watch(connection, self._domain, self._table, record, self._run)
                await self._read_record(connection)
            await log.restart(self.position)
            return
        log_range = await log.next()
        self._head = log_range.head
        if log_range.events or log_range.up_to > self.position:
            try:
                async with self._run.together():
                    await self._fold(connection, log_range)
            except Unwritable:  # somewhere in a large part: folding range by range finds the event
                await log.restart(self.position)
                return
            except (ProjectionFailed, UndecodableEvent) as error:
                await self._stop_at(connection, error)
                await log.restart(self.position)
                return
            self.failure = None
        if not log_range.at_head:
            return
        if self._record is not None and self._record.state == BUILDING:
            if not await self._built(connection):
                await log.restart(self.position)
        else:
            abandoned, self.abandoned = self.abandoned, None
            await replace_abandoned(connection, self._nats, self._table, abandoned)
            if self._table.projection.inline:
                self._record = await enter(connection, self._domain, self._table, self.position, self._run)

    async def _fold(self, connection: Connection, log_range: LogRange) -> None:
        if self._filling is not None:
            await self._fill(self._filling, log_range)
            return
        if len(self._rows) > _KNOWN_ROWS:
            self._rows.clear()
        began = now_ns()
        await fold(connection, self._domain, self._table, log_range.events, log_range.up_to, self._rows)
        if began:
            traced = [event for event in log_range.events if isinstance(event, RecordedEvent)]
            mark_events(f"project {self.name}", traced, began, SpanKind.CONSUMER)
        self.position = log_range.up_to
        reached = projection_signal(self._nats.names, self._table.name, self.position)
        await self._nats.publish_signals([reached])

    async def _fill(self, filling: Filling, log_range: LogRange) -> None:
        """Folds a range ahead of the checkpoint.

        After an error, filling ends and the normal fold continues.
        """
        try:
            await filling.fold(log_range.events, log_range.up_to)
            if log_range.at_head:
                await filling.finish()
        except (ProjectionFailed, UndecodableEvent, Unwritable):
            await filling.abandon()
            self._filling = None
            raise
        finally:
            self.position = filling.stored

    async def _built(self, connection: Connection) -> bool:
        """At the head: creates the indexes. When it is called again at the head, it marks the table as built.

        Returns False if the table must be filled again with its indexes: a row is too large for an index, and
        only a fold with that index finds the event that made the row.
        """
        if not self._indexed:
            self._indexed = True
            if await make_indexes(connection, self._table):
                await vacuum(connection, self._table)
                return True
            text = "%s has a row that is too large for an index; filling it again to find the event"
            logger.error(text, self._table.name)
            await restart(connection, self._table)
            self._filling = None
            self.position = 0
            return False
        skipped = unknown_event_types(self._domain, await stored_names(self._database))
        try:
            async with self._run.together(), connection.transaction():
                serves = await mark_built(connection, self._table, skipped)
                if serves and self._table.projection.inline:
                    await enter_inline(connection, self._domain, self._table, self.position)
        except (ProjectionFailed, UndecodableEvent):
            return False  # a new event fails: the normal fold finds it
        self._filling = None
        self._record = await table_record(connection, self._table)
        self.position = self._record.position
        if self._record.is_held:
            logger.error("%s", self._record.held_because)
        else:
            logger.info("%s is built%s", self._table.name, " and serves" if serves else "")
        reached = projection_signal(self._nats.names, self._table.name, self.position)
        await self._nats.publish_signals([reached, tables_signal(self._nats.names)])
        return True

    async def _read_record(self, connection: Connection) -> TableRecord:
        """The record with the checkpoint, after others may have written the table."""
        self._record = await table_record(connection, self._table)
        self.position = self._record.position
        self._rows.clear()
        return self._record

    async def _stop_at(self, connection: Connection, error: ProjectionFailed | UndecodableEvent) -> None:
        """Folds the events before the failing one, stores and logs the failure, and pauses before a retry."""
        while self.position < error.position - 1:
            before = await read_range(connection, self.position, self._types, _BATCH, error.position - 1)
            try:
                async with self._run.together():
                    await self._fold(connection, before)
            except (ProjectionFailed, UndecodableEvent) as earlier:
                error = earlier
        known, failure = self.failure, str(error)
        await save_failure(connection, self._table, error.position, failure, error)
        self.failure = failure
        if failure != known:
            text = "%s; the projection stops before that event until its code is fixed"
            logger.error(text, error, exc_info=error)
            await self._nats.publish_signals([stopped_signal(self._nats.names)])
        if isinstance(error, UnknownEvent):
            raise NotKnown(failure) from error  # a process whose code knows it can take the table
        await asyncio.sleep(_RETRY_TIMED_OUT_SECONDS if timed_out(error) else _RETRY_FAILED_SECONDS)
