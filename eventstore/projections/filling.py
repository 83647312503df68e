"""Filling a table that nobody reads yet: folded ahead of what is stored, and stored seldom."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import asyncpg

from commander.domain import Domain
from commander.eventstore.database import Connection, Database, reaching_postgres
from commander.eventstore.projections.folding import move
from commander.eventstore.projections.rows import Changes, LoggedEvent, Rows, touches_of
from commander.eventstore.projections.serving import TableGone
from commander.eventstore.projections.tables import Table

_MOST_CHANGED = 50_000
_MOST_EVENTS = 100_000
_MOST_KNOWN = 250_000
"""Rows kept in memory, some hundred bytes each; when there are more, all are forgotten and read again."""


class Filling:
    """For the one who writes the table: while Postgres stores one part the next is folded.

    Rows and checkpoint still commit together; a row that many events touch is written once for all of them.
    A row that is not in memory is read through another connection: it is stored, for memory is only cleared
    when all is. Not for projections that find rows by a column, which must look into the table each time.
    """

    def __init__(
        self, database: Database, connection: Connection, domain: Domain, table: Table, position: int
    ) -> None:
        """connection: through which all is stored."""
        self._database = database
        self._connection = connection
        self._domain = domain
        self._table = table
        self._rows = Rows(table)
        self._folded = self._begun = position
        self._storing: asyncio.Task[None] | None = None
        self.stored = position

    async def fold(self, events: Sequence[LoggedEvent], up_to: int) -> None:
        """Folds these; what is stored, and when, is its own affair.

        Raises what `fold` raises, and Unwritable, for an event of any time since `stored`: then it is done
        for, and whoever goes on begins behind `stored`.
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
        """Returns when all that was folded is stored."""
        await self._settled()
        if self._folded > self.stored:
            self._store()
            await self._settled()

    async def abandon(self) -> None:
        """Stores no more; `stored` says what is."""
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
                async with self._connection.transaction():
                    await changes.write(self._connection, self._table)
                    await move(self._connection, self._table, up_to)
            except asyncpg.UndefinedTableError as error:
                raise TableGone(f"the table {self._table.name} was dropped") from error
        self.stored = up_to

    async def _settled(self) -> None:
        storing, self._storing = self._storing, None
        if storing is not None:
            await storing
