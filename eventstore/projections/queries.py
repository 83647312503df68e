"""Reads lists of rows: filtered, ordered, after a place. With conditions.py the only builder of SQL for them.

Why every page of a list costs the same: a page begins at a place, not after a count. The rows after the place
(a, b, key) are those with the same a and b and a greater key, those with the same a and a greater b, and
those with a greater a. Each of the three is one range of the index over (a, b, key), and the query reads no
more rows of it than the page has. (One condition with `or` would scan the index from its beginning. A
comparison of whole rows would leave out rows with a null.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from commander.domain import Field
from commander.domain.filters import Filter, Order, Place, simplified
from commander.eventstore.database import Database
from commander.eventstore.projections.conditions import NO_TABLES, Statement, Tables, list_of
from commander.eventstore.projections.tables import Table, column_type, from_column, quoted, to_column


@dataclass(frozen=True)
class RowPage:
    """The first `limit` rows that match, in this order. behind: only rows after this place.

    inclusive: the row at the place too.
    """

    where: Filter
    order: Order
    limit: int
    behind: Place | None = None
    inclusive: bool = False


async def rows_from(
    database: Database,
    table: Table,
    where: Filter,
    order: Order,
    limit: int,
    behind: Place | None = None,
    *,
    inclusive: bool = False,
    tables: Tables = NO_TABLES,
) -> list[Any]:
    """The first `limit` matching rows in this order. behind: only rows after this place.

    inclusive: the row at the place too. tables: those of the rows that links of the filter lead to.
    """
    sql, binds = select_rows(table, where, order, limit, behind, inclusive=inclusive, tables=tables)
    return [table.row_of(record) for record in await database.fetch(sql, *binds)]


async def count_rows(database: Database, table: Table, where: Filter, tables: Tables = NO_TABLES) -> int:
    """How many rows match. The query reads all of them."""
    statement = Statement(table, tables)
    sql = f"select count(*) from {quoted(table.name)} where {statement.condition(where)}"
    return int(await database.fetchval(sql, *statement.binds))


async def pages_of(
    database: Database,
    table: Table,
    field: Field,
    values: Sequence[Any],
    page: RowPage,
    most: int,
    tables: Tables = NO_TABLES,
) -> dict[Any, list[Any]]:
    """For each of these values of a field, the page of the rows that have the value, in one statement.

    most: of rows in all. If there are as many, some pages may not be complete. With an index over the field
    and the order, no more rows are read than the pages have.
    """
    sql, binds = select_pages(table, field, values, page, most, tables)
    pages: dict[Any, list[Any]] = {value: [] for value in values}
    for record in await database.fetch(sql, *binds):
        row = table.row_of(record)
        pages.setdefault(getattr(row, field.name), []).append(row)  # a NaN is not equal to itself
    return {value: page.order.sorted(rows) for value, rows in pages.items()}


async def counts_of(
    database: Database,
    table: Table,
    field: Field,
    values: Sequence[Any],
    where: Filter,
    tables: Tables = NO_TABLES,
) -> dict[Any, int]:
    """For each of these values of a field, how many matching rows have it. The query reads all of them."""
    statement = Statement(table, tables)
    name, given = (
        quoted(field.name),
        statement.bind([to_column(field, one) for one in values], list_of(field)),
    )
    sql = (
        f"select {name}, count(*) from {quoted(table.name)} "
        f"where {name} = any({given}) and {statement.condition(where)} group by {name}"
    )
    counted = await database.fetch(sql, *statement.binds)
    return {**dict.fromkeys(values, 0), **{from_column(field, value): count for value, count in counted}}


def select_matching(
    table: Table, where: Filter, limit: int, tables: Tables = NO_TABLES
) -> tuple[str, list[Any]]:
    """The statement for at most `limit` matching rows, in any order, and its binds."""
    statement = Statement(table, tables)
    most = statement.bind(limit, "int")
    return f"{table.select} where {statement.condition(where)} limit {most}", statement.binds


def select_rows(
    table: Table,
    where: Filter,
    order: Order,
    limit: int,
    behind: Place | None,
    *,
    inclusive: bool = False,
    tables: Tables = NO_TABLES,
) -> tuple[str, list[Any]]:
    """The statement of `rows_from`, and its binds."""
    statement = Statement(table, tables)
    return _page(statement, RowPage(where, order, limit, behind, inclusive)), statement.binds


def select_pages(
    table: Table, field: Field, values: Sequence[Any], page: RowPage, most: int, tables: Tables = NO_TABLES
) -> tuple[str, list[Any]]:
    """The statement of `pages_of`, and its binds."""
    statement = Statement(table, tables)
    given = statement.bind([to_column(field, one) for one in values], list_of(field))
    each = _page(statement, page, f"{statement.column(field)} = given.value and ")
    end = f"limit {statement.bind(most, 'int')}"
    of_values = f"unnest({given}) as given (value) cross join lateral ({each}) as page"
    return f"select page.* from {of_values} {end}", statement.binds


def _page(statement: Statement, page: RowPage, within: str = "") -> str:
    """within: a condition that each row must meet as well, with `and` behind it."""
    where, order, select = page.where, page.order, statement.table.select
    most = statement.bind(page.limit, "int")
    direction = " desc" if order.descending else ""
    columns = ", ".join(f"{quoted(field.name)}{direction}" for field in order.fields)
    end = f"order by {columns} limit {most}"
    if page.behind is None:
        return f"{select} where {within}{statement.condition(where)} {end}"
    ranges = _ranges(where, order, page.behind, page.inclusive, statement)
    each = " union all ".join(f"({select} where {within}{condition} {end})" for condition in ranges)
    return f"select * from ({each}) as ranges {end}"


def _ranges(
    where: Filter, order: Order, place: Place, inclusive: bool, statement: Statement
) -> Iterator[str]:
    """The conditions for the rows after the place, each for one range of the index.

    A row matches exactly one.

    In a range, the values of some columns are known, and the filter on them is evaluated here. Next to `a =
    1`, Postgres would assume that `a < 2` removes more rows than it does. It would then read all rows and
    sort them.
    """
    fields = order.fields
    placed = [
        "null" if value is None else statement.bind(to_column(field, value), column_type(field))
        for field, value in zip(fields, place, strict=True)
    ]
    same = [
        f"{quoted(field.name)} {'is' if value is None else '='} {bind}"
        for field, value, bind in zip(fields, place, placed, strict=True)
    ]
    known = {field.name: value for field, value in zip(fields, place, strict=True)}
    if inclusive:
        yield " and ".join([*same, statement.condition(simplified(where, known))])
    for n in reversed(range(len(fields))):
        del known[fields[n].name]
        for beyond in _beyond(fields[n], place[n], placed[n], order.descending):
            yield " and ".join([*same[:n], beyond, statement.condition(simplified(where, known))])


def _beyond(field: Field, value: Any, bind: str, descending: bool) -> Iterator[str]:
    """The condition for the values after this one. Nulls come last; in a descending order they come first."""
    name = quoted(field.name)
    if descending:
        yield f"{name} is not null" if value is None else f"{name} < {bind}"
    elif value is not None:
        yield f"{name} > {bind}"
        if field.optional:
            yield f"{name} is null"
