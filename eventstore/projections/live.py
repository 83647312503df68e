"""Reading a table for those who follow it live: rows, with the position that they are the fold of.

Rows and checkpoint commit together, so one snapshot of the database holds the rows as of one position, and
the events below it. Which rows changed behind an earlier position is said by the events between: by code that
folded them alike. Where it did not (another version fills the table that is read), or where events find their
rows by a column, which may be another one since, nobody can say.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import asyncpg

from commander.domain import Domain, ProjectionFailed, UndecodableEvent
from commander.domain.errors import InvalidRequest
from commander.eventstore.database import Connection, Database
from commander.eventstore.projections.filters import Filter
from commander.eventstore.projections.queries import select_matching
from commander.eventstore.projections.rows import touches_of
from commander.eventstore.projections.serving import TableGone
from commander.eventstore.projections.stretches import read_stretch
from commander.eventstore.projections.tables import Table

_MOST_EVENTS = 5000
"""How many events are looked through for the rows they touched; beyond, reading the rows costs less."""


class TooManyRows(InvalidRequest):
    """More rows match than a live list may have."""

    def __init__(self, most: int) -> None:
        super().__init__("where", f"more than {most} rows match, the most of a live list; narrow it")


@dataclass(frozen=True)
class News:
    """Rows as they are at a position, by their keys; None for one that is not there.

    complete: all that may have changed since the position asked about; otherwise only those asked for.
    """

    position: int
    rows: Mapping[Any, Any]
    complete: bool


@dataclass(frozen=True)
class Matching:
    """All rows that match at a position; head: the log's at that moment.

    touched: the keys of all rows, matching or not, that may have changed since the position asked about; None
    where nobody can say.
    """

    position: int
    head: int
    rows: Sequence[Any]
    touched: Collection[Any] | None


class _Checkpoint(NamedTuple):
    """own: whether this code fills the table."""

    position: int
    own: bool


async def checkpoint_of(database: Database, table: Table) -> int:
    """The position that the table is at. Raises TableGone."""
    async with database.connection() as connection:
        return (await _checkpoint(connection, table)).position


async def news_of(
    database: Database, domain: Domain, table: Table, after: int, watched: Collection[Any]
) -> News | None:
    """What changed behind a position; None while the table is not beyond it. Raises TableGone.

    watched: the keys of the rows to be read where nobody can say which changed.
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
        return News(checkpoint.position, rows, complete=touched is not None)


async def matching_rows(
    database: Database, domain: Domain, table: Table, where: Filter, most: int, after: int | None = None
) -> Matching:
    """All rows that match; and, given a position behind which one goes on, what was touched since.

    Raises TooManyRows, TableGone.
    """
    sql, binds = select_matching(table, where, most + 1)
    async with _snapshot(database) as connection:
        checkpoint = await _checkpoint(connection, table)
        head = int(await connection.fetchval("select position from log_head"))
        rows = [table.row_of(record) for record in await connection.fetch(sql, *binds)]
        if len(rows) > most:
            raise TooManyRows(most)
        touched = None
        if after is not None and after <= checkpoint.position:
            touched = await _touched(connection, domain, table, after, checkpoint)
    return Matching(checkpoint.position, head, rows, touched)


@asynccontextmanager
async def _snapshot(database: Database) -> AsyncIterator[Connection]:
    """A connection whose statements all see the same moment."""
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
    """The keys of the rows that the events behind a position touched; None where nobody can say."""
    if not checkpoint.own:
        return None
    types = table.projection.by_event
    stretch = await read_stretch(connection, after, types, _MOST_EVENTS, checkpoint.position)
    if stretch.up_to < checkpoint.position:
        return None
    try:
        touches = touches_of(domain, table, stretch.events)
    except (UndecodableEvent, ProjectionFailed):
        return None
    if any(touch.handler.column is not None for touch in touches):
        return None
    return dict.fromkeys(key for touch in touches for key in touch.keys)
