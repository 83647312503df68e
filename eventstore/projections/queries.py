"""Reads lists of rows: filtered, ordered, after a place. This is the only builder of SQL for them.

Why every page of a list costs the same: a page begins at a place, not after a count. The rows after the place
(a, b, key) are those with the same a and b and a greater key, those with the same a and a greater b, and
those with a greater a. Each of the three is one range of the index over (a, b, key), and the query reads no
more rows of it than the page has. (One condition with `or` would scan the index from its beginning. A
comparison of whole rows would leave out rows with a null.)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from commander.domain import Field
from commander.domain.filters import (
    AllOf,
    AnyOf,
    Condition,
    Filter,
    Not,
    Operator,
    Order,
    Place,
    simplified,
)
from commander.eventstore.database import Database
from commander.eventstore.projections.tables import Table, column_type, quoted, to_column

_SYMBOLS = {
    Operator.EQ: "=",
    Operator.LT: "<",
    Operator.LTE: "<=",
    Operator.GT: ">",
    Operator.GTE: ">=",
}


async def rows_from(
    database: Database,
    table: Table,
    where: Filter,
    order: Order,
    limit: int,
    behind: Place | None = None,
    *,
    inclusive: bool = False,
) -> list[Any]:
    """The first `limit` matching rows in this order. behind: only rows after this place.

    inclusive: the row at the place too.
    """
    sql, binds = select_rows(table, where, order, limit, behind, inclusive=inclusive)
    return [table.row_of(record) for record in await database.fetch(sql, *binds)]


async def count_rows(database: Database, table: Table, where: Filter) -> int:
    """How many rows match. The query reads all of them."""
    binds = _Binds()
    sql = f"select count(*) from {quoted(table.name)} where {_condition(where, binds)}"
    return int(await database.fetchval(sql, *binds.values))


def select_matching(table: Table, where: Filter, limit: int) -> tuple[str, list[Any]]:
    """The statement for at most `limit` matching rows, in any order, and its binds."""
    binds = _Binds()
    most = binds.add(limit, "int")
    return f"{table.select} where {_condition(where, binds)} limit {most}", binds.values


def select_rows(
    table: Table, where: Filter, order: Order, limit: int, behind: Place | None, *, inclusive: bool = False
) -> tuple[str, list[Any]]:
    """The statement of `rows_from`, and its binds."""
    binds = _Binds()
    most = binds.add(limit, "int")
    direction = " desc" if order.descending else ""
    columns = ", ".join(f"{quoted(field.name)}{direction}" for field in order.fields)
    end = f"order by {columns} limit {most}"
    if behind is None:
        return f"{table.select} where {_condition(where, binds)} {end}", binds.values
    ranges = _ranges(where, order, behind, inclusive, binds)
    each = " union all ".join(f"({table.select} where {condition} {end})" for condition in ranges)
    return f"select * from ({each}) as ranges {end}", binds.values


class _Binds:
    """The values of a statement's binds, in the order of their numbers."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def add(self, value: Any, type_: str) -> str:
        self.values.append(value)
        return f"${len(self.values)}::{type_}"


def _ranges(where: Filter, order: Order, place: Place, inclusive: bool, binds: _Binds) -> Iterator[str]:
    """The conditions for the rows after the place, each for one range of the index.

    A row matches exactly one.

    In a range, the values of some columns are known, and the filter on them is evaluated here. Next to `a =
    1`, Postgres would assume that `a < 2` removes more rows than it does. It would then read all rows and
    sort them.
    """
    fields = order.fields
    placed = [
        "null" if value is None else binds.add(to_column(field, value), column_type(field))
        for field, value in zip(fields, place, strict=True)
    ]
    same = [
        f"{quoted(field.name)} {'is' if value is None else '='} {bind}"
        for field, value, bind in zip(fields, place, placed, strict=True)
    ]
    known = {field.name: value for field, value in zip(fields, place, strict=True)}
    if inclusive:
        yield " and ".join([*same, _condition(simplified(where, known), binds)])
    for n in reversed(range(len(fields))):
        del known[fields[n].name]
        for beyond in _beyond(fields[n], place[n], placed[n], order.descending):
            yield " and ".join([*same[:n], beyond, _condition(simplified(where, known), binds)])


def _beyond(field: Field, value: Any, bind: str, descending: bool) -> Iterator[str]:
    """The condition for the values after this one. Nulls come last; in a descending order they come first."""
    name = quoted(field.name)
    if descending:
        yield f"{name} is not null" if value is None else f"{name} < {bind}"
    elif value is not None:
        yield f"{name} > {bind}"
        if field.optional:
            yield f"{name} is null"


def _condition(where: Filter, binds: _Binds) -> str:
    match where:
        case AllOf(parts):
            return _joined(" and ", parts, binds) or "true"
        case AnyOf(parts):
            return _joined(" or ", parts, binds) or "false"
        case Not(part):
            return f"({_condition(part, binds)}) is not true"
        case Condition():
            return _comparison(where, binds)


def _joined(operator: str, parts: tuple[Filter, ...], binds: _Binds) -> str:
    joined = operator.join(_condition(part, binds) for part in parts)
    return f"({joined})" if parts else ""


def _comparison(condition: Condition, binds: _Binds) -> str:
    field, value = condition.field, condition.value
    name, type_ = quoted(field.name), column_type(field)
    match condition.operator:
        case Operator.IS_NULL:
            return f"{name} is null" if value else f"{name} is not null"
        case Operator.IN:
            return f"{name} = any({binds.add([to_column(field, one) for one in value], f'{type_}[]')})"
        case Operator.NE | Operator.NOT_IN as negative:
            positive = Operator.EQ if negative is Operator.NE else Operator.IN
            return f"({_comparison(Condition(field, positive, value), binds)}) is not true"
        case Operator.STARTS_WITH:
            end = _end_of_prefix(value)
            first = f"{name} >= {binds.add(value, type_)}"
            return first if end is None else f"({first} and {name} < {binds.add(end, type_)})"
        case operator:
            return f"{name} {_SYMBOLS[operator]} {binds.add(to_column(field, value), type_)}"


def _end_of_prefix(prefix: str) -> str | None:
    """The first text after all texts with this prefix; None if there is none.

    An index cannot search a prefix.
    """
    kept = prefix.rstrip("\U0010ffff")
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    return kept[:-1] + chr(0xE000 if following == 0xD800 else following)
