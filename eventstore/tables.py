"""Projection tables: their statements, and the one place where names are quoted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cached_property
from typing import Any
from uuid import UUID

import msgspec

from commander.domain import BigInt, Field, ProjectionType
from commander.domain.fields import EnumType, ScalarType

_COLUMN_TYPES: dict[Any, str] = {
    str: "text",
    bool: "boolean",
    int: "bigint",
    BigInt: "bigint",
    float: "double precision",
    Decimal: "numeric",
    UUID: "uuid",
    datetime: "timestamptz",
    date: "date",
    time: "time",
}
_MAX_NUMERIC_EXPONENT = 131_071
_encoder = msgspec.json.Encoder(decimal_format="string")


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def column_type(field: Field) -> str:
    """Scalars have a type of their own, enums are their name as text, all else is JSON."""
    match field.type:
        case ScalarType(python):
            return _COLUMN_TYPES[python]
        case EnumType():
            return "text"
    return "json"


@dataclass(frozen=True)
class Table:
    """The table of one projection in one version, and the statements on it."""

    projection: ProjectionType

    @property
    def name(self) -> str:
        return f"projection_{self.projection.name}_{self.projection.fingerprint}"

    @property
    def create(self) -> list[str]:
        columns = ", ".join(
            f"{quoted(f.name)} {column_type(f)}{_collation(f)}{'' if f.optional else ' not null'}"
            for f in self.projection.fields
        )
        key = quoted(self.projection.key)
        statements = [f"create table {quoted(self.name)} ({columns}, primary key ({key}))"]
        for order in self.projection.orders[1:]:
            # Postgres names it: a name of ours could be too long, and so be cut off to that of another.
            names = ", ".join(quoted(field.name) for field in order)
            statements.append(f"create index on {quoted(self.name)} ({names})")
        return statements

    @cached_property
    def select_keys(self) -> str:
        """binds: $1 keys"""
        return f"{self.select} where {quoted(self.projection.key)} = any($1::{self._key_type}[])"

    @cached_property
    def upsert(self) -> str:
        """binds: an array per column"""
        names = ", ".join(quoted(f.name) for f in self.projection.fields)
        arrays = ", ".join(f"${n}::{column_type(f)}[]" for n, f in enumerate(self.projection.fields, 1))
        others = [f for f in self.projection.fields if f.name != self.projection.key]
        sets = ", ".join(f"{quoted(f.name)} = excluded.{quoted(f.name)}" for f in others)
        action = f"do update set {sets}" if sets else "do nothing"
        return (
            f"insert into {quoted(self.name)} ({names}) select * from unnest({arrays}) "
            f"on conflict ({quoted(self.projection.key)}) {action}"
        )

    @cached_property
    def as_stored(self) -> str:
        """Rows as the table would give them back, without being stored; binds: an array per column"""
        names = ", ".join(quoted(f.name) for f in self.projection.fields)
        arrays = ", ".join(f"${n}::{column_type(f)}[]" for n, f in enumerate(self.projection.fields, 1))
        return f'select {names} from unnest({arrays}) with ordinality as made ({names}, "#") order by "#"'

    @cached_property
    def delete(self) -> str:
        """binds: $1 keys"""
        return (
            f"delete from {quoted(self.name)} "
            f"where {quoted(self.projection.key)} = any($1::{self._key_type}[])"
        )

    def columns_of(self, rows: list[Any]) -> list[list[Any]]:
        """The binds of `upsert`. Raises ValueError, TypeError or AttributeError for what no column takes."""
        return [[to_column(f, getattr(row, f.name)) for row in rows] for f in self.projection.fields]

    def row_of(self, record: Any) -> Any:
        """A row read, as an instance of the projection's class."""
        values = {f.name: _from_column(f, record[f.name]) for f in self.projection.fields}
        return self.projection.cls(**values)

    def key_bind(self, key: Any) -> Any:
        return to_column(self.projection.key_field, key)

    @property
    def _key_type(self) -> str:
        return column_type(self.projection.key_field)

    @cached_property
    def select(self) -> str:
        """Every column of every row; what follows says which rows."""
        names = ", ".join(quoted(f.name) for f in self.projection.fields)
        return f"select {names} from {quoted(self.name)}"


def _collation(field: Field) -> str:
    """Text is ordered by its characters' numbers, as Python orders it, wherever the server stands."""
    return ' collate "C"' if column_type(field) == "text" else ""


def to_column(field: Field, value: Any) -> Any:
    """A value as the field's column takes it. Raises ValueError for a number too large for Postgres."""
    match field.type:
        case _ if value is None:
            return None
        case ScalarType():
            if isinstance(value, Decimal) and value.adjusted() > _MAX_NUMERIC_EXPONENT:
                raise ValueError(f"{value} is too large for Postgres")  # asyncpg would store something else
            return value
        case EnumType():
            return value.name
    return _encoder.encode(value).decode()


def _from_column(field: Field, value: Any) -> Any:
    match field.type:
        case _ if value is None:
            return None
        case ScalarType(python):
            if python is datetime and value.tzinfo is None:  # the last moment of all, Postgres' infinity
                return value.replace(tzinfo=UTC)
            return value
        case EnumType(python):
            return python[value]
        case other:
            return msgspec.json.decode(value, type=other.python)
