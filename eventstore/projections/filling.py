"""Fills a table that no query reads yet: it folds ahead of the checkpoint and stores rarely."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import asyncpg

from commander.domain import Domain
from commander.eventstore.database import Connection, Database, reaching_postgres
from commander.eventstore.projections.folding import store
from commander.eventstore.projections.rows import Changes, LoggedEvent, Rows, touches_of
from commander.eventstore.projections.serving import TableGone
from commander.eventstore.projections.tables import Table

_MOST_CHANGED = 50_000
_MOST_EVENTS = 100_000
MOST_UNSTORED = 2 * (_MOST_EVENTS + 10_000)
"""The maximum of events that are folded and not stored, with log ranges of 10,000 events."""
_MOST_KNOWN = 250_000
"""The maximum of rows in memory, some hundred bytes each. Beyond it, all are dropped and read again."""


class Filling:
    """Folds the next part of the log while Postgres stores the last one. The caller must be the only writer.

    Rows and checkpoint commit together. A row that many events touch is written once for all of them. A row
    that is not in memory is read through another connection. It is stored there, because memory is cleared
    only when all rows are stored. Not for projections that find rows by a column: they must read the table
    each time.
    """

    def __init__(
        self, database: Database, connection: Connection, domain: Domain, table: Table, position: int
    ) -> None:
        """connection: every write goes through it. position: the checkpoint of the table."""
        self._database = database
        self._connection = connection
        self._domain = domain
        self._table = table
        self._rows = Rows(table)
        self._folded = self._begun = position
        self._storing: asyncio.Task[None] | None = None
        self.stored = position

    async def fold(self, events: Sequence[LoggedEvent], up_to: int) -> None:
        """Folds these events. They may be stored now or later; `finish` stores all of them.

        Raises what `folding.fold` raises, and Unwritable, for any event after `stored`. Then this object
        cannot be used any more: continue after `stored` with a new one.
        """
        touches = touches_of(self._domain, self._table, events)
        if touches:
            try:
                async with self._database.connection() as reading:
                    await self._rows.fold(reading, touches)
            except asyncpg.UndefinedTableError as error:
                raise TableGone(f"the table {self._table.name} was dropped") from error
        self._folded = up_to
        if self._rows.changed >= _MOST_CHANGED or self._folded - self._begun >= _MOST_EVENTS:
            await self._settled()
            if len(self._rows) > _MOST_KNOWN:
                await self.finish()
                self._rows.clear()
            else:
                self._store()

    async def finish(self) -> None:
        """Stores all that was folded. Raises as `fold` does."""
        await self._settled()
        if self._folded > self.stored:
            self._store()
            await self._settled()

    async def abandon(self) -> None:
        """Stops storing. `stored` is the checkpoint that was reached."""
        storing, self._storing = self._storing, None
        if storing is not None:
            storing.cancel()
            await asyncio.wait({storing})

    def _store(self) -> None:
        changes, self._begun = self._rows.take_changes(), self._folded
        self._storing = asyncio.create_task(self._stored(changes, self._folded))

    async def _stored(self, changes: Changes, up_to: int) -> None:
        with reaching_postgres(self._connection):
            try:
                await store(self._connection, self._table, changes, up_to)
            except asyncpg.UndefinedTableError as error:
                raise TableGone(f"the table {self._table.name} was dropped") from error
        self.stored = up_to

    async def _settled(self) -> None:
        storing, self._storing = self._storing, None
        if storing is not None:
            await storing
