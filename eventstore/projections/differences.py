"""Compares two tables of one projection row by row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from commander.domain.errors import NotFound
from commander.eventstore.database import Connection, Database
from commander.eventstore.projections.serving import CannotServe
from commander.eventstore.projections.tables import select_differences
from commander.eventstore.sessions import unlimited

_COLUMNS = """select attname, format_type(atttypid, atttypmod) from pg_attribute
              where attrelid = to_regclass(quote_ident($1)) and attnum > 0 and not attisdropped"""
_KEY = """select attname from pg_index join pg_attribute on attrelid = indrelid and attnum = any(indkey)
          where indrelid = to_regclass(quote_ident($1)) and indisprimary"""
_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Difference(NamedTuple):
    """A row that differs. before, after: the columns that differ, as JSON; None if the table has no row."""

    key: str
    before: dict[str, str] | None
    after: dict[str, str] | None


@dataclass(frozen=True)
class Differences:
    """The result of a comparison.

    positions: the checkpoints of the tables. only_before, only_after: columns that only one table has, or
    that have another type in the other. total: how many rows differ in the common columns. first: the first
    of them, ordered by key.
    """

    positions: tuple[int, int]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    total: int
    first: tuple[Difference, ...]


async def differences(database: Database, before: str, after: str, limit: int) -> Differences:
    """Compares two tables in one snapshot. limit: the maximum of rows in `first`.

    If their positions differ, a row may differ only because of the events between them.
    Raises NotFound if a table does not exist, and CannotServe if their keys differ.
    """
    async with (
        database.connection() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        await unlimited(connection)
        positions = await _position(connection, before), await _position(connection, after)
        old, new = await _columns(connection, before), await _columns(connection, after)
        key, new_key = await _key(connection, before), await _key(connection, after)
        if (key, old[key]) != (new_key, new.get(key)):
            raise CannotServe(f"{before} and {after} have different keys and cannot be compared")
        common = [name for name in old if new.get(name) == old[name]]
        sql = select_differences(before, after, key, [(name, old[name]) for name in common])
        rows = await connection.fetch(sql, limit, timeout=3600)
    return Differences(
        positions,
        tuple(name for name in old if name not in common),
        tuple(name for name in new if name not in common),
        rows[0]["total"] if rows else 0,
        tuple(_difference(row["key"], row["before"], row["after"]) for row in rows),
    )


async def _position(connection: Connection, table_name: str) -> int:
    found = await connection.fetchval("select position from projections where table_name = $1", table_name)
    if found is None:
        raise NotFound(f"there is no table {table_name}")
    return int(found)


async def _columns(connection: Connection, table_name: str) -> dict[str, str]:
    return {name: type_ for name, type_ in await connection.fetch(_COLUMNS, table_name)}


async def _key(connection: Connection, table_name: str) -> str:
    return str(await connection.fetchval(_KEY, table_name))


def _difference(key: str, before: str | None, after: str | None) -> Difference:
    old, new = (None if row is None else _decoder.decode(row) for row in (before, after))
    if old is not None and new is not None:
        changed = [name for name in old if name in new and old[name] != new[name]]
        old, new = ({name: row[name] for name in changed} for row in (old, new))
    return Difference(key, _texts(old), _texts(new))


def _texts(row: dict[str, msgspec.Raw] | None) -> dict[str, str] | None:
    return None if row is None else {name: bytes(value).decode() for name, value in row.items()}
