"""Reads a table for live subscribers: rows together with the position that they are a fold of.

Rows and checkpoint commit together. So one snapshot of the database has the rows at one position and the
events up to it. The events after an earlier position tell which rows changed since, provided the same code
folded them. The changed rows are unknown if another version of the code fills the table, or if events find
their rows by a column, whose value may have changed since.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import asyncpg

from commander.domain import Domain, ProjectionFailed, UndecodableEvent
from commander.domain.errors import InvalidRequest
from commander.domain.filters import Filter
from commander.eventstore.database import Connection, Database
from commander.eventstore.projections.conditions import NO_TABLES, Tables
from commander.eventstore.projections.log_ranges import read_range
from commander.eventstore.projections.queries import select_matching
from commander.eventstore.projections.rows import touches_of
from commander.eventstore.projections.serving import TableGone
from commander.eventstore.projections.tables import Table

_MOST_EVENTS = 5000
"""The maximum of events that are searched for changed rows. Beyond it, reading all rows is cheaper."""


class TooManyRows(InvalidRequest):
    """More rows match than a live list may have. Use a narrower filter."""

    def __init__(self, most: int) -> None:
        super().__init__(
            "where", f"more than {most} rows match, the maximum of a live list; use a narrower filter"
        )


@dataclass(frozen=True)
class RowChanges:
    """Rows at a position, by key; None for a row that does not exist.

    complete: the rows are all that may have changed since the earlier position. If it is false, they are only
    the watched rows.
    """

    position: int
    rows: Mapping[Any, Any]
    complete: bool


@dataclass(frozen=True)
class Matching:
    """All rows that match at a position. head: the head of the log in the same snapshot.

    position: every table that was read shows it. touched: the keys of all rows, matching or not, that may
    have changed since the earlier position; None if they are unknown.
    """

    position: int
    head: int
    rows: Sequence[Any]
    touched: Collection[Any] | None


class _Checkpoint(NamedTuple):
    """own: whether the same version of the code fills the table."""

    position: int
    own: bool


async def checkpoint_of(database: Database, table: Table) -> int:
    """The checkpoint of the table. Raises TableGone and Unavailable."""
    async with database.connection() as connection:
        return (await _checkpoint(connection, table)).position


async def changes_since(
    database: Database, domain: Domain, table: Table, after: int, watched: Collection[Any]
) -> RowChanges | None:
    """The rows that changed after a position; None if the table is not beyond it.

    watched: the keys of the rows to read if the changed rows are unknown. Raises TableGone and Unavailable.
    """
    async with _snapshot(database) as connection:
        checkpoint = await _checkpoint(connection, table)
        if checkpoint.position <= after:
            return None
        touched = await _touched(connection, domain, table, after, checkpoint)
        rows: dict[Any, Any] = dict.fromkeys(watched if touched is None else touched)
        if rows:
            binds = [table.key_bind(key) for key in rows]
            for record in await connection.fetch(table.select_keys, binds):
                row = table.row_of(record)
                rows[getattr(row, table.projection.key)] = row
        return RowChanges(checkpoint.position, rows, complete=touched is not None)


async def matching_rows(
    database: Database,
    domain: Domain,
    table: Table,
    where: Filter,
    most: int,
    after: int | None = None,
    linked: Tables = NO_TABLES,
) -> Matching:
    """All rows that match. after: a position; the result has the keys of the rows that changed since.

    most: the maximum of rows. linked: the tables that links of the filter lead to; with links the rows that
    changed since are unknown. Raises TooManyRows, TableGone and Unavailable.
    """
    sql, binds = select_matching(table, where, most + 1, linked)
    async with _snapshot(database) as connection:
        checkpoint = await _checkpoint(connection, table)
        head = int(await connection.fetchval("select position from log_head"))
        rows = [table.row_of(record) for record in await connection.fetch(sql, *binds)]
        if len(rows) > most:
            raise TooManyRows(most)
        touched = None
        if after is not None and after <= checkpoint.position and not linked:
            touched = await _touched(connection, domain, table, after, checkpoint)
        others = [(await _checkpoint(connection, other)).position for other in linked.values()]
    return Matching(min([checkpoint.position, *others]), head, rows, touched)


@asynccontextmanager
async def _snapshot(database: Database) -> AsyncIterator[Connection]:
    """A connection whose statements all see the same snapshot."""
    try:
        async with (
            database.connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield connection
    except asyncpg.UndefinedTableError as error:
        raise TableGone("the table was dropped") from error


async def _checkpoint(connection: Connection, table: Table) -> _Checkpoint:
    found = await connection.fetchrow(
        "select position, fingerprint from projections where table_name = $1", table.name
    )
    if found is None:
        raise TableGone(f"the table {table.name} was dropped")
    return _Checkpoint(found["position"], found["fingerprint"] == table.projection.fingerprint)


async def _touched(
    connection: Connection, domain: Domain, table: Table, after: int, checkpoint: _Checkpoint
) -> Collection[Any] | None:
    """The keys of the rows that the events after a position touched; None if they are unknown."""
    if not checkpoint.own:
        return None
    types = table.projection.by_event
    log_range = await read_range(connection, after, types, _MOST_EVENTS, checkpoint.position)
    if log_range.up_to < checkpoint.position:
        return None
    try:
        touches = touches_of(domain, table, log_range.events)
    except (UndecodableEvent, ProjectionFailed):
        return None
    if any(touch.handler.column is not None for touch in touches):
        return None
    return dict.fromkeys(key for touch in touches for key in touch.keys)
