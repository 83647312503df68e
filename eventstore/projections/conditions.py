"""Filters as conditions in SQL. queries.py builds the statements around them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from commander.domain import Field
from commander.domain.filters import AllOf, AnyOf, Condition, Filter, Linked, Not, Operator
from commander.eventstore.projections.tables import Table, column_type, quoted, to_column

Tables = Mapping[str, Table]
"""The tables of projections, by the projection's name."""
NO_TABLES: Tables = {}
_SYMBOLS = {
    Operator.EQ: "=",
    Operator.LT: "<",
    Operator.LTE: "<=",
    Operator.GT: ">",
    Operator.GTE: ">=",
}


def list_of(field: Field) -> str:
    """The Postgres type of a list of values of this field."""
    return f"{column_type(field)}[]"


class Statement:
    """The conditions of a statement on a table, and the values of its binds, in the order of their numbers.

    tables: those of the rows that links of the filter lead to, by the projection's name.
    """

    def __init__(self, table: Table, tables: Tables) -> None:
        self.table = table
        self.binds: list[Any] = []
        self._tables = tables
        self._depth = 0

    def bind(self, value: Any, type_: str) -> str:
        self.binds.append(value)
        return f"${len(self.binds)}::{type_}"

    def column(self, field: Field) -> str:
        """A column of the table, with its table: a statement inside may have a column of the same name."""
        return f"{quoted(self.table.name)}.{quoted(field.name)}"

    def condition(self, where: Filter) -> str:
        return self._condition(where, quoted(self.table.name))

    def _condition(self, where: Filter, of: str) -> str:
        """of: the table or the alias whose columns the filter is about."""
        match where:
            case AllOf(parts):
                return self._joined(" and ", parts, of) or "true"
            case AnyOf(parts):
                return self._joined(" or ", parts, of) or "false"
            case Not(part):
                return f"({self._condition(part, of)}) is not true"
            case Condition():
                return self._comparison(where)
            case Linked():
                return self._linked(where, of)

    def _joined(self, operator: str, parts: tuple[Filter, ...], of: str) -> str:
        joined = operator.join(self._condition(part, of) for part in parts)
        return f"({joined})" if parts else ""

    def _linked(self, where: Linked, of: str) -> str:
        """Below `or` and `not`, `exists` costs a search of the key for each row; `in` could read all rows."""
        self._depth += 1
        alias = quoted(f"linked {self._depth}")
        found = self._condition(where.part, alias)
        return (
            f"exists (select from {quoted(self._tables[where.projection].name)} as {alias} "
            f"where {alias}.{quoted(where.key.name)} = {of}.{quoted(where.field.name)} and {found})"
        )

    def _comparison(self, condition: Condition) -> str:
        field, value = condition.field, condition.value
        name, type_ = quoted(field.name), column_type(field)
        match condition.operator:
            case Operator.IS_NULL:
                return f"{name} is null" if value else f"{name} is not null"
            case Operator.IN:
                return f"{name} = any({self.bind([to_column(field, one) for one in value], list_of(field))})"
            case Operator.NE | Operator.NOT_IN as negative:
                positive = Operator.EQ if negative is Operator.NE else Operator.IN
                return f"({self._comparison(Condition(field, positive, value))}) is not true"
            case Operator.STARTS_WITH:
                end = _end_of_prefix(value)
                first = f"{name} >= {self.bind(value, type_)}"
                return first if end is None else f"({first} and {name} < {self.bind(end, type_)})"
            case operator:
                return f"{name} {_SYMBOLS[operator]} {self.bind(to_column(field, value), type_)}"


def _end_of_prefix(prefix: str) -> str | None:
    """The first text after all texts with this prefix; None if there is none.

    An index cannot search a prefix.
    """
    kept = prefix.rstrip("\U0010ffff")
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    return kept[:-1] + chr(0xE000 if following == 0xD800 else following)
