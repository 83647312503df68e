"""Projection tables: their columns and statements. SQL names are quoted only here."""

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
_INT = 2**31
_encoder = msgspec.json.Encoder(decimal_format="string")


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def lock_table(name: str) -> str:
    return f"lock table {quoted(name)} in access exclusive mode"


def drop_table(name: str) -> str:
    return f"drop table {quoted(name)}"


def select_differences(before: str, after: str, key: str, columns: list[tuple[str, str]]) -> str:
    """The statement that compares two tables. columns: (name, type) of each compared column. binds: $1 limit

    A row has the key, the total of differing rows, and both rows as JSON.
    """

    def row(alias: str) -> str:
        values = (f"{alias}.{quoted(name)}{'::text' if type_ == 'json' else ''}" for name, type_ in columns)
        return f"row({', '.join(values)})"

    old, new = f"b.{quoted(key)}", f"a.{quoted(key)}"
    return (
        f"select coalesce({old}, {new})::text as key, count(*) over () as total, "
        f"case when {old} is not null then to_jsonb(b) end as before, "
        f"case when {new} is not null then to_jsonb(a) end as after "
        f"from {quoted(before)} b full join {quoted(after)} a on {old} = {new} "
        f"where {old} is null or {new} is null or {row('b')} is distinct from {row('a')} "
        f"order by coalesce({old}, {new}) limit $1"
    )


def take_from(source: str, table: str, key: str, columns: list[tuple[str, str]]) -> tuple[str, str]:
    """The statements that make a table equal to another one. They write only the rows that differ."""

    def row(alias: str) -> str:
        values = (f"{alias}.{quoted(name)}{'::text' if type_ == 'json' else ''}" for name, type_ in columns)
        return f"row({', '.join(values)})"

    names, same = ", ".join(quoted(name) for name, _ in columns), f"a.{quoted(key)} = b.{quoted(key)}"
    return (
        f"delete from {quoted(table)} b where not exists (select from {quoted(source)} a "
        f"where {same} and {row('a')} is not distinct from {row('b')})",
        f"insert into {quoted(table)} ({names}) select {names} from {quoted(source)} a "
        f"where not exists (select from {quoted(table)} b where {same})",
    )


def column_type(field: Field) -> str:
    """The Postgres type of a field:

    a scalar has its own type, an enum is text (its name), all else is JSON.
    """
    match field.type:
        case ScalarType(python):
            return _COLUMN_TYPES[python]
        case EnumType():
            return "text"
    return "json"


@dataclass(frozen=True)
class Table:
    """The table of one version of a projection, and the statements on it.

    other_name: the name of a table that another version or a rebuild made; see serving.py.
    """

    projection: ProjectionType
    other_name: str | None = None

    @property
    def name(self) -> str:
        return self.other_name or f"projection_{self.projection.name}_{self.projection.fingerprint}"

    @property
    def create(self) -> list[str]:
        """The statements that create the table, with the indexes that filling needs.

        The others come later.
        """
        columns = ", ".join(
            f"{quoted(f.name)} {column_type(f)}{_collation(f)}{'' if f.optional else ' not null'}"
            for f in self.projection.fields
        )
        key = quoted(self.projection.key)
        made = [f"create table {quoted(self.name)} ({columns}, primary key ({key}))"]
        found_by = [(self.projection.field(column),) for column in sorted(self.projection.found_by)]
        return made + [self._create_index((*order, self.projection.key_field)) for order in found_by]

    @property
    def create_indexes(self) -> list[str]:
        """The statements that create the declared indexes, once the table is filled."""
        return [
            self._create_index(order)
            for order in self.projection.orders[1:]
            if len(order) > 2 or order[0].name not in self.projection.found_by
        ]

    def _create_index(self, order: tuple[Field, ...]) -> str:
        # Postgres chooses the name: a longer name would be truncated, possibly to that of another index.
        names = ", ".join(quoted(field.name) for field in order)
        return f"create index on {quoted(self.name)} ({names})"

    @property
    def truncate(self) -> str:
        return f"truncate {quoted(self.name)}"

    @property
    def vacuum(self) -> str:
        return f"vacuum (analyze) {quoted(self.name)}"

    def select_by(self, column: str) -> str:
        """binds: $1 values of the column"""
        type_ = column_type(self.projection.field(column))
        return f"{self.select} where {quoted(column)} = any($1::{type_}[])"

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
        """Returns rows as the table would return them, without storing them. binds: an array per column"""
        names = ", ".join(quoted(f.name) for f in self.projection.fields)
        arrays = ", ".join(f"${n}::{column_type(f)}[]" for n, f in enumerate(self.projection.fields, 1))
        return f'select {names} from unnest({arrays}) with ordinality as made ({names}, "#") order by "#"'

    def delete(self, keys: int = 1) -> str:
        """keys: the number of the bind with the keys."""
        return (
            f"delete from {quoted(self.name)} "
            f"where {quoted(self.projection.key)} = any(${keys}::{self._key_type}[])"
        )

    @cached_property
    def store(self) -> str:
        """Upserts rows, deletes others and moves the checkpoint, all in one. Returns whether there is one.

        The conditions let Postgres write the rows before it locks the checkpoint: see serving.py.
        binds: an array per column, the keys to delete, the checkpoint, the table's name
        """
        keys = len(self.projection.fields) + 1
        return f"""
            with kept as ({self.upsert} returning 1), gone as ({self.delete(keys)} returning 1)
            select move_projection(${keys + 2}, ${keys + 1})
            where (select count(*) from kept) >= 0 and (select count(*) from gone) >= 0
        """

    def columns_of(self, rows: list[Any]) -> list[list[Any]]:
        """The binds of `upsert`.

        Raises ValueError, TypeError or AttributeError for a value without a column form.
        """
        return [_column_of(field, rows) for field in self.projection.fields]

    def row_of(self, record: Any) -> Any:
        """A database record as an instance of the projection's class."""
        values = dict(record.items())
        for field in self._converted:
            values[field.name] = from_column(field, values[field.name])
        return self.projection.cls(**values)

    @cached_property
    def _converted(self) -> list[Field]:
        """The fields whose values differ from those of the driver."""
        same = [ScalarType(python) for python in _COLUMN_TYPES if python is not datetime]
        return [field for field in self.projection.fields if field.type not in same]

    def key_bind(self, key: Any) -> Any:
        return to_column(self.projection.key_field, key)

    def bind(self, column: str, value: Any) -> Any:
        """A value in the form of this column."""
        return to_column(self.projection.field(column), value)

    @property
    def _key_type(self) -> str:
        return column_type(self.projection.key_field)

    @cached_property
    def select(self) -> str:
        """Selects every column. The caller appends the conditions."""
        names = ", ".join(quoted(f.name) for f in self.projection.fields)
        return f"select {names} from {quoted(self.name)}"


def _collation(field: Field) -> str:
    """The collation of text columns: by code point, as in Python, whatever the locale of the server."""
    return ' collate "C"' if column_type(field) == "text" else ""


def _column_of(field: Field, rows: list[Any]) -> list[Any]:
    name = field.name
    if isinstance(field.type, ScalarType) and field.type.python is not Decimal:
        return [getattr(row, name) for row in rows]
    return [to_column(field, getattr(row, name)) for row in rows]


def to_column(field: Field, value: Any) -> Any:
    """A value in the form of the field's column. Raises ValueError for a number too large for Postgres."""
    match field.type:
        case _ if value is None:
            return None
        case ScalarType(python):
            if isinstance(value, Decimal) and value.adjusted() > _MAX_NUMERIC_EXPONENT:
                raise ValueError(f"{value} is too large for Postgres")  # asyncpg would store something else
            if python is int and not -_INT <= value < _INT:
                raise ValueError(f"{value} does not fit into 32 bits, as an Int of GraphQL has; use BigInt")
            return value
        case EnumType():
            return value.name
    return _encoder.encode(value).decode()


def from_column(field: Field, value: Any) -> Any:
    """The inverse of `to_column`."""
    match field.type:
        case _ if value is None:
            return None
        case ScalarType(python):
            if python is datetime and value.tzinfo is None:  # the driver's value for Postgres' infinity
                return value.replace(tzinfo=UTC)
            return value
        case EnumType(python):
            return python[value]
        case other:
            return msgspec.json.decode(value, type=other.python)
