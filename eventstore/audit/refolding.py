"""Writes again what is folded from the log or counted in it: tables of projections, and the stored names."""

from __future__ import annotations

from commander.domain import Domain
from commander.eventstore.audit.log_pages import log_pages
from commander.eventstore.audit.reading import LONG_SECONDS
from commander.eventstore.audit.tables import fold_beside
from commander.eventstore.database import Connection, Database, reaching_postgres
from commander.eventstore.log.stored_names import count_names
from commander.eventstore.projections.tables import Table, column_type, take_from
from commander.eventstore.sessions import unlimited


async def refold_table(connection: Connection, database: Database, domain: Domain, table: Table) -> None:
    """Folds the log up to its end, and writes the rows that differ, in one transaction.

    connection: nobody else writes the table meanwhile. Raises ProjectionFailed, UndecodableEvent, Unwritable
    and Unavailable.
    """
    with reaching_postgres(connection):
        async with connection.transaction(isolation="repeatable_read"):
            await unlimited(connection)
            head = await connection.fetchval("select position from log_head")
            folded = await fold_beside(connection, domain, table, log_pages(database), head, _not_shown)
            columns = [(field.name, column_type(field)) for field in table.projection.fields]
            for sql in take_from(folded.name, table.name, table.projection.key, columns):
                await connection.execute(sql, timeout=LONG_SECONDS)
            await connection.execute(f"drop table {folded.name}")
            await connection.execute("select move_projection($1, $2)", table.name, head)


def _not_shown(done: int, all_: int) -> None:
    """A repair shows no bar."""


async def recount_names(database: Database) -> None:
    """Counts the names of events and commands from the beginning. Raises Unavailable."""
    async with database.connection() as connection, connection.transaction():
        await connection.execute("delete from stored_names_counted")
        await connection.execute("delete from stored_names")
    await count_names(database)
