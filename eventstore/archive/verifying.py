"""The audit of the stored data: the log, the outcomes, and each projection against a fold of the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from commander.domain import Domain
from commander.eventstore.database import Connection, Database, reaching_postgres
from commander.eventstore.projections.log_ranges import read_range
from commander.eventstore.projections.rows import Rows, touches_of
from commander.eventstore.projections.tables import Table, column_type, select_differences
from commander.eventstore.sessions import unlimited
from commander.eventstore.sql import statement

_VERIFY_LOG = statement("verify_log")
_SECONDS = 24 * 3600
_EVENTS_PER_RANGE = 10_000
_KNOWN_ROWS = 100_000
_SHOWN = 10

Progress = Callable[[int, int], None]
"""Called with the current and the last position."""


@dataclass(frozen=True)
class Broken:
    """A broken promise. detail: where, and what was found."""

    promise: str
    detail: str


async def verify_log(database: Database) -> list[Broken]:
    """The broken promises in the log and the outcomes, in one snapshot. The system may run meanwhile."""
    async with database.connection() as connection, connection.transaction(readonly=True):
        with reaching_postgres(connection):
            await unlimited(connection)
            return [Broken(*row) for row in await connection.fetch(_VERIFY_LOG, timeout=_SECONDS)]


async def verify_projection(
    database: Database, domain: Domain, table: Table, progress: Progress
) -> list[Broken]:
    """The differences between a table and a fold of the log up to its checkpoint, in one snapshot.

    The fold is written to a temporary table. Raises ProjectionFailed, UndecodableEvent and Unavailable.
    """
    async with database.connection() as connection, connection.transaction(isolation="repeatable_read"):
        with reaching_postgres(connection):
            await unlimited(connection)
            position = await connection.fetchval(
                "select position from projections where table_name = $1", table.name
            )
            folded = Table(table.projection, "verified")
            for create in folded.create:
                await connection.execute(create.replace("create table", "create temporary table", 1))
            await _fold(connection, domain, folded, position, progress)
            columns = [(field.name, column_type(field)) for field in table.projection.fields]
            sql = select_differences(table.name, folded.name, table.projection.key, columns)
            rows = await connection.fetch(sql, _SHOWN, timeout=_SECONDS)
            await connection.execute(f"drop table {folded.name}")
    promise = f"the projection {table.projection.name} is a fold of the log"
    where = f"at position {position} of {table.name}"
    return [
        Broken(promise, f"{where}, the row {row['key']} is {row['before']}, the fold gives {row['after']}")
        for row in rows
    ]


async def _fold(connection: Connection, domain: Domain, table: Table, up_to: int, progress: Progress) -> None:
    rows = Rows(table)
    position = 0
    while position < up_to:
        log_range = await read_range(
            connection, position, frozenset(table.projection.by_event), _EVENTS_PER_RANGE, up_to
        )
        await rows.fold(connection, touches_of(domain, table, log_range.events))
        await rows.take_changes().write(connection, table)
        if len(rows) > _KNOWN_ROWS:
            rows.clear()
        position = log_range.up_to
        progress(position, up_to)
