"""Auditing what is stored: the log and the outcomes, and each projection against a fold of the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from commander.domain import Domain
from commander.eventstore.database import Connection, Database, reaching_postgres
from commander.eventstore.projections.rows import Rows, touches_of
from commander.eventstore.projections.stretches import read_stretch
from commander.eventstore.projections.tables import Table, column_type, select_differences
from commander.eventstore.sql import statement

_VERIFY_LOG = statement("verify_log")
_SECONDS = 24 * 3600
_STRETCH = 10_000
_KNOWN_ROWS = 100_000
_SHOWN = 10

Progress = Callable[[int, int], None]
"""Called with how far it is, and how far it will go."""


@dataclass(frozen=True)
class Broken:
    """A promise that does not hold, and where."""

    promise: str
    detail: str


async def verify_log(database: Database) -> list[Broken]:
    """What is broken in the log and the outcomes, as of one moment; the system may go on working."""
    async with database.connection() as connection:
        with reaching_postgres(connection):
            return [Broken(*row) for row in await connection.fetch(_VERIFY_LOG, timeout=_SECONDS)]


async def verify_projection(
    database: Database, domain: Domain, table: Table, progress: Progress
) -> list[Broken]:
    """What differs between a table and a fold of the log up to its checkpoint, both as of one moment.

    The fold is stored in a table that only this session sees. Raises ProjectionFailed, UndecodableEvent.
    """
    async with database.connection() as connection, connection.transaction(isolation="repeatable_read"):
        with reaching_postgres(connection):
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
        Broken(promise, f"{where}, {row['key']} is {row['before']}, and by the log {row['after']}")
        for row in rows
    ]


async def _fold(connection: Connection, domain: Domain, table: Table, up_to: int, progress: Progress) -> None:
    rows = Rows(table)
    position = 0
    while position < up_to:
        stretch = await read_stretch(
            connection, position, frozenset(table.projection.by_event), _STRETCH, up_to
        )
        await rows.fold(connection, touches_of(domain, table, stretch.events))
        await rows.take_changes().write(connection, table)
        if len(rows) > _KNOWN_ROWS:
            rows.clear()
        position = stretch.up_to
        progress(position, up_to)
