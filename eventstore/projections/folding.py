"""Folds events into a projection's table, and reads a row."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import asyncpg

from commander.domain import Domain, ProjectionFailed
from commander.domain.source import traceback_of
from commander.eventstore.database import Connection, Database, reaching_postgres
from commander.eventstore.locks import Lock
from commander.eventstore.projections.rows import Changes, LoggedEvent, Rows, Touch, Unwritable, touches_of
from commander.eventstore.projections.serving import TableGone, make_table
from commander.eventstore.projections.tables import Table


@dataclass(frozen=True)
class Stopped:
    """Why a table stays before an event. position, type: of the event, in the log. error: why it fails."""

    position: int
    type: str
    error: str
    traceback: str | None = None

    def __str__(self) -> str:
        return f"stopped before {self.type} at position {self.position}: {self.error}"


@dataclass(frozen=True)
class ProjectionStatus:
    """The progress of a projection. stopped: why it has stopped; None if it has not."""

    name: str
    table_name: str
    position: int
    stopped: Stopped | None


async def ensure_tables(database: Database, tables: Iterable[Table]) -> None:
    """Creates the missing tables. Many processes may call it at once."""
    async with database.connection() as connection, connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1, 0)", int(Lock.MIGRATIONS))
        for table in tables:
            await make_table(connection, table)


async def position_of(connection: Connection, table: Table) -> int:
    """The checkpoint of the table: the last position folded into it."""
    with reaching_postgres(connection):
        return int(
            await connection.fetchval("select position from projections where table_name = $1", table.name)
        )


async def projection_statuses(database: Database, tables: Iterable[Table]) -> list[ProjectionStatus]:
    """The progress of each of these tables, by projection and table name."""
    rows = await database.fetch(
        """select name, table_name, position, failed_position, error, traceback,
                  (select type from events where events.position = failed_position) as type
           from projections where table_name = any($1::text[]) order by name, table_name""",
        [t.name for t in tables],
    )
    return [ProjectionStatus(row["name"], row["table_name"], row["position"], _stopped(row)) for row in rows]


def _stopped(row: asyncpg.Record) -> Stopped | None:
    if row["failed_position"] is None:
        return None
    return Stopped(row["failed_position"], row["type"] or "", row["error"] or "", row["traceback"])


async def fold(
    connection: Connection,
    domain: Domain,
    table: Table,
    events: Sequence[LoggedEvent],
    up_to: int,
    rows: Rows | None = None,
) -> None:
    """Folds these events into the table and moves its checkpoint to `up_to`, in one transaction.

    The touched rows are read once, folded in memory and written once, with the checkpoint. That is one trip,
    and one more to read rows that are not in memory. The caller must be the only writer of the table. Inside
    a transaction a failure takes back only the fold. rows: the rows in memory from the fold before. Raises
    ProjectionFailed or UndecodableEvent if an event cannot be folded; then nothing is written. Raises
    TableGone and Unavailable.
    """
    touches = touches_of(domain, table, events)
    rows = Rows(table) if rows is None else rows
    with reaching_postgres(connection):
        try:
            if not touches:
                await _move(connection, table, up_to)
                return
            inside = not connection.is_closed() and connection.is_in_transaction()
            async with connection.transaction() if inside else nullcontext():
                await rows.fold(connection, touches)
                await store(connection, table, rows.take_changes(), up_to)
        except Unwritable as error:
            rows.clear()
            event = await _first_unwritable(connection, table, touches)
            raise ProjectionFailed(table.projection.name, event.position, event.type, str(error)) from error
        except asyncpg.UndefinedTableError as error:
            raise TableGone(f"the table {table.name} was dropped") from error
        except BaseException:
            rows.clear()
            raise


async def store(connection: Connection, table: Table, changes: Changes, up_to: int) -> None:
    """Writes the changes and moves the checkpoint. Raises Unwritable and TableGone."""
    if not (changes.kept or changes.gone):
        await _move(connection, table, up_to)
    elif not await changes.store(connection, table, up_to):
        raise TableGone(f"the table {table.name} was dropped")


async def _move(connection: Connection, table: Table, up_to: int) -> None:
    """Moves the checkpoint and clears a stored failure. Raises TableGone."""
    if not await connection.fetchval("select move_projection($1, $2)", table.name, up_to):
        raise TableGone(f"the table {table.name} was dropped")


async def save_failure(
    connection: Connection, table: Table, position: int, reason: str, error: BaseException | None = None
) -> None:
    """Stores why a projection stopped, and at which event. The command line and /health/ready show it.

    error: its traceback is stored too.
    """
    with reaching_postgres(connection):
        await connection.execute(
            "update projections set failed_position = $2, error = $3, traceback = $4 where table_name = $1",
            table.name,
            position,
            reason,
            None if error is None else traceback_of(error),
        )


async def row_by_key(database: Database, table: Table, key: Any) -> Any | None:
    """The row with this key; None if there is none."""
    rows = await rows_by_keys(database, table, [key])
    return next(iter(rows.values()), None)


async def rows_by_keys(database: Database, table: Table, keys: Collection[Any]) -> dict[Any, Any]:
    """The rows with these keys, by key."""
    records = await database.fetch(table.select_keys, [table.key_bind(key) for key in keys])
    rows = [table.row_of(record) for record in records]
    return {getattr(row, table.projection.key): row for row in rows}


async def _first_unwritable(connection: Connection, table: Table, touches: Sequence[Touch]) -> LoggedEvent:
    """The first event whose rows cannot be written, found by a binary search with trial transactions."""
    writable, unwritable = 0, len(touches)
    while unwritable - writable > 1:
        middle = (writable + unwritable) // 2
        trial = connection.transaction()
        await trial.start()
        try:
            rows = Rows(table)
            await rows.fold(connection, touches[:middle])
            await rows.take_changes().write(connection, table)
            writable = middle
        except Unwritable:
            unwritable = middle
        finally:
            await trial.rollback()
    return touches[unwritable - 1].event
