"""The table of each projection against a fold of the log up to its checkpoint, in one snapshot.

The fold is written to a temporary table, so memory stays bounded.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial

from commander.domain import Domain, ProjectionFailed, UndecodableEvent
from commander.domain.errors import CommanderError
from commander.eventstore.audit.findings import Audit, Check, Finding, Kind, Mend, Repair, Show
from commander.eventstore.audit.log_pages import LogEvent, Pages
from commander.eventstore.audit.reading import LONG_SECONDS, reading
from commander.eventstore.database import Connection, Database
from commander.eventstore.projections.rows import Rows, Unwritable, touches_by
from commander.eventstore.projections.serving import table_for, table_records
from commander.eventstore.projections.tables import Table, column_type, select_differences

FOLDED = "verified"
"""The name of the temporary table."""
_POSITION = """select least(position, (select max(position) from events)) from projections
               where table_name = $1"""
_KNOWN_ROWS = 100_000
_CHANGED_ROWS = 50_000
_SHOWN = 10


class NoTable(CommanderError):
    """The code has no table of this projection yet."""


def tables_checks(domain: Domain) -> list[Check]:
    """A check for each projection."""
    return [_check_of(name) for name in domain.projections]


def _check_of(name: str) -> Check:
    async def run(audit: Audit, show: Show) -> AsyncIterator[Finding]:
        projection = audit.domain.projections[name]
        table = table_for(projection, await table_records(audit.database, [projection.name]))
        if table is None:
            raise NoTable(f"the projection {name} has no table yet")
        try:
            for finding in await _differences(audit, table, show):
                yield finding
        except (ProjectionFailed, UndecodableEvent, Unwritable) as error:
            yield Finding(Kind.PROJECTION_FAILS, table.name, f"it cannot be folded: {error}")

    return Check(f"the projection {name} is a fold of the log", run, folds=True)


async def _differences(audit: Audit, table: Table, show: Show) -> list[Finding]:
    async with reading(audit.database, "repeatable_read") as connection:
        position = await connection.fetchval(_POSITION, table.name)
        folded = await fold_beside(connection, audit.domain, table, audit.pages, position, show)
        columns = [(field.name, column_type(field)) for field in table.projection.fields]
        sql = select_differences(table.name, folded.name, table.projection.key, columns)
        rows = await connection.fetch(sql, _SHOWN, timeout=LONG_SECONDS)
        await connection.execute(f"drop table {folded.name}")
    where = f"{table.name} at position {position}"
    return [
        Finding(
            Kind.PROJECTION_DIFFERS,
            where,
            f"the row {row['key']} is {row['before']}, the fold gives {row['after']} "
            f"({row['total']} rows differ)",
            Repair(Mend.PROJECTION, table.name),
        )
        for row in rows
    ]


async def fold_beside(
    connection: Connection, domain: Domain, table: Table, pages: Pages, up_to: int, show: Show
) -> Table:
    """Folds the log up to a position into a temporary table, and returns that.

    It belongs to the caller's transaction. Raises ProjectionFailed, UndecodableEvent and Unavailable.
    """
    folded = Table(table.projection, FOLDED)
    for create in folded.create:
        await connection.execute(create.replace("create table", "create temporary table", 1))
    rows = Rows(folded)
    decode = partial(LogEvent.instance, domain=domain)
    async with aclosing(pages(up_to)) as log:
        async for page in log:
            await rows.fold(connection, touches_by(decode, folded, page.events))
            if page.up_to >= up_to or rows.changed > _CHANGED_ROWS or table.projection.found_by:
                await rows.take_changes().write(connection, folded)
            if len(rows) > _KNOWN_ROWS and not rows.changed:
                rows.clear()
            show(page.up_to, up_to)
    return folded


async def table_named(database: Database, domain: Domain, name: str) -> Table | None:
    """The table with this name, if this code made it or reads it."""
    for projection in domain.projections.values():
        records = await table_records(database, [projection.name])
        for record in records:
            if record.table_name == name and record.readable_by(projection):
                return Table(projection, name)
    return None
