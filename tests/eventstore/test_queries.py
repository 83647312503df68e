"""Lists of rows: a filter finds in SQL what it finds in memory; pages hold each row once, in order."""

# No `from __future__ import annotations`: the types of the classes' fields are read from them.

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from commander import BigInt, Domain
from commander.domain import Field
from commander.domain.fields import EnumType
from commander.domain.filters import (
    EVERY_ROW,
    AllOf,
    AnyOf,
    Condition,
    Filter,
    Not,
    Operator,
    Order,
    Place,
    matches,
)
from commander.eventstore.database import Database
from commander.eventstore.projections.folding import ensure_tables
from commander.eventstore.projections.queries import count_rows, rows_from, select_rows
from commander.eventstore.projections.tables import Table
from tests.domain.everything import Colour, Size
from tests.drawing import examples

shop = Domain("shop")
ZERO = BigInt(0)
SCALARS = tuple(
    ["text", "truth", "whole", "big", "real", "exact", "identity", "moment", "day", "hour", "colour", "size"]
)


@shop.event
@dataclass(frozen=True)
class Listed:
    number: int


@shop.projection(
    "row",
    key="number",
    indexes=(*SCALARS, *(f"maybe_{name}" for name in SCALARS), ("truth", "maybe_text", "real")),
)
@dataclass(frozen=True)
class Row:
    """One column of every type that has an order, and one that may be null."""

    number: int
    text: str = ""
    truth: bool = False
    whole: int = 0
    big: BigInt = ZERO
    real: float = 0.0
    exact: Decimal = Decimal(0)
    identity: UUID = UUID(int=0)
    moment: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    day: date = date(2000, 1, 1)
    hour: time = time(12)
    colour: Colour = Colour.RED
    size: Size = Size.S
    maybe_text: str | None = None
    maybe_truth: bool | None = None
    maybe_whole: int | None = None
    maybe_big: BigInt | None = None
    maybe_real: float | None = None
    maybe_exact: Decimal | None = None
    maybe_identity: UUID | None = None
    maybe_moment: datetime | None = None
    maybe_day: date | None = None
    maybe_hour: time | None = None
    maybe_colour: Colour | None = None
    maybe_size: Size | None = None

    @classmethod
    def listed(cls, event: Listed) -> "Row":
        return cls(event.number)


TABLE = Table(shop.projections["row"])
FIELDS = {field.name: field for field in TABLE.projection.fields}
BY_KEY = Order((FIELDS["number"],))
# Few values of each type, so that equal ones meet; among them those at the ends of what there is.
VALUES: dict[str, Sequence[Any]] = {
    "text": ["", "a", "A", "ab", "a\U0010ffff", "b", "Z", "é", "\ud7ff", "\ue000", "🏦", "%", "a_"],
    "truth": [True, False],
    "whole": [0, 1, -1, 2**31 - 1, -(2**31)],
    "big": [0, 7, 2**63 - 1, -(2**63)],
    "real": [0.0, -0.0, 0.1, 1e308, -1e308, 5e-324, float("inf"), float("-inf"), float("nan")],
    "exact": [
        *map(Decimal, ("0", "-0.00", "1.0", "1.00", "1e400", "-1e400", "1e-400", "NaN", "Infinity")),
        Decimal("0.1") + Decimal("1e-25"),
    ],
    "identity": [UUID(int=0), UUID(int=1), UUID(int=2**127), UUID(int=2**128 - 1)],
    "moment": [
        datetime.max.replace(tzinfo=UTC),
        datetime.min.replace(tzinfo=UTC),
        datetime(2000, 1, 1, tzinfo=UTC),
        datetime.fromisoformat("2000-01-01T01:00:00+01:00"),
        datetime.fromisoformat("2000-01-01T00:00:00.000001+00:00"),
    ],
    "day": [date.min, date.max, date(2000, 1, 1)],
    "hour": [time.min, time.max, time(12)],
    "colour": list(Colour),
    "size": list(Size),
}


def values_of(name: str) -> Sequence[Any]:
    return VALUES[name.removeprefix("maybe_")] if name != "number" else range(12)


def operators_of(field: Field) -> list[Operator]:
    text = field.type.python is str
    return [operator for operator in Operator if text or operator is not Operator.STARTS_WITH]


# Strategies are made once and not in each draw, where making and checking them would take most of the time.
COLUMNS: dict[str, st.SearchStrategy[Any]] = {
    name: st.sampled_from([*values_of(name), *([None] * len(values_of(name)) if field.optional else [])])
    for name, field in FIELDS.items()
    if name != "number"
}
ROWS = [st.builds(Row, number=st.just(number), **COLUMNS) for number in range(12)]
TABLES = [st.tuples(*ROWS[:count]) for count in range(13)]


def conditions_on(field: Field) -> st.SearchStrategy[Condition]:
    value = st.sampled_from(list(values_of(field.name)))
    values: dict[Operator, st.SearchStrategy[Any]] = {
        Operator.IN: st.lists(value, max_size=3).map(tuple),
        Operator.NOT_IN: st.lists(value, max_size=3).map(tuple),
        Operator.IS_NULL: st.booleans(),
    }
    return st.one_of(
        *(
            st.builds(Condition, st.just(field), st.just(operator), values.get(operator, value))
            for operator in operators_of(field)
        )
    )


filters: st.SearchStrategy[Filter] = st.recursive(
    st.one_of(*map(conditions_on, FIELDS.values())),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: AllOf(tuple(parts)))
        | st.lists(inner, max_size=3).map(lambda parts: AnyOf(tuple(parts)))
        | inner.map(Not)
    ),
    max_leaves=6,
)
orders = st.builds(Order, st.sampled_from(TABLE.projection.orders), st.booleans())
tables = st.sampled_from(range(13)).flatmap(TABLES.__getitem__)


async def store(database: Database, rows: Sequence[Any], table: Table = TABLE) -> None:
    await ensure_tables(database, [table])
    async with database.connection() as connection:
        await connection.execute(f'delete from "{table.name}"')
        if rows:
            await connection.execute(table.upsert, *table.columns_of(list(rows)))


def numbers(rows: Sequence[Any]) -> list[int]:
    return [row.number for row in rows]


def in_order(rows: Sequence[Row], order: Order) -> list[Row]:
    """By nothing but `is_before`: each row stands behind as many as come before it."""
    place = order.place_of
    return sorted(rows, key=lambda row: sum(order.is_before(place(other), place(row)) for other in rows))


async def found(database: Database, where: Filter, order: Order = BY_KEY) -> list[Row]:
    return await rows_from(database, TABLE, where, order, 1000)


@examples(300)
@given(tables, filters)
async def test_a_filter_finds_in_sql_what_it_finds_in_memory(
    database: Database, rows: Sequence[Row], where: Filter
) -> None:
    await store(database, rows)
    expected = [row.number for row in rows if matches(where, row)]
    assert numbers(await found(database, where)) == expected
    assert await count_rows(database, TABLE, where) == len(expected)


@pytest.mark.parametrize("name", FIELDS)
async def test_each_operator_of_each_type_agrees_on_every_pair_of_values(
    database: Database, name: str
) -> None:
    field = FIELDS[name]
    stored = [*values_of(name), *([None] if field.optional else [])]
    rows = [replace(Row(n), **{name: value}) for n, value in enumerate(stored)]
    await store(database, rows)
    for operator in operators_of(field):
        asked = [True, False] if operator is Operator.IS_NULL else values_of(name)
        if operator in (Operator.IN, Operator.NOT_IN):
            asked = [(), *((value,) for value in asked), tuple(asked)]
        for value in asked:
            for where in (Condition(field, operator, value), Not(Condition(field, operator, value))):
                expected = [row.number for row in rows if matches(where, row)]
                assert numbers(await found(database, where)) == expected, where


@examples(150)
@given(tables, filters | st.just(EVERY_ROW), orders, st.integers(1, 5))
async def test_pages_hold_each_matching_row_once_in_the_order_asked_for(
    database: Database, rows: Sequence[Row], where: Filter, order: Order, size: int
) -> None:
    await store(database, rows)
    expected = in_order([row for row in rows if matches(where, row)], order)
    assert numbers(await found(database, where, order)) == numbers(expected)
    walked: list[Row] = []
    behind: Place | None = None
    while page := await rows_from(database, TABLE, where, order, size, behind):
        walked += page
        behind = order.place_of(page[-1])
        assert len(walked) <= len(expected)
    assert numbers(walked) == numbers(expected)


@examples(150)
@given(tables, ROWS[5], orders)
@example((), Row(5), Order(TABLE.projection.orders[-1], True))
async def test_a_page_begins_at_a_place_whether_or_not_a_row_is_there(
    database: Database, rows: Sequence[Row], elsewhere: Row, order: Order
) -> None:
    await store(database, rows)
    place = order.place_of(elsewhere)
    before = [r for r in in_order(rows, order) if order.is_before(order.place_of(r), place)]
    behind = [r for r in in_order(rows, order) if order.is_before(place, order.place_of(r))]
    assert numbers(await rows_from(database, TABLE, EVERY_ROW, order, 99, place)) == numbers(behind)
    backwards = await rows_from(database, TABLE, EVERY_ROW, order.reversed, 99, place)
    assert numbers(backwards) == numbers(before)[::-1]
    at_least = await rows_from(database, TABLE, EVERY_ROW, order.reversed, 99, place, inclusive=True)
    assert numbers(at_least) == [row.number for row in in_order(rows, order.reversed) if row not in behind]


def test_every_column_is_of_a_type_of_its_own() -> None:
    assert {field.name for field in fields(Row)} == {"number", *VALUES, *(f"maybe_{name}" for name in VALUES)}
    assert all(isinstance(FIELDS[name].type, EnumType) for name in ("colour", "size"))


LARGE = 30_000


@shop.projection(
    "largeRow",
    key="number",
    indexes=("text", "truth", "exact", "maybe_text", "maybe_whole", ("truth", "maybe_text", "real")),
)
@dataclass(frozen=True)
class LargeRow:
    number: int
    text: str = ""
    truth: bool = False
    real: float = 0.0
    exact: Decimal = Decimal(0)
    maybe_text: str | None = None
    maybe_whole: int | None = None

    @classmethod
    def listed(cls, event: Listed) -> "LargeRow":
        return cls(event.number)


LARGE_TABLE = Table(shop.projections["largeRow"])


async def plans(database: Database, order: Order, where: Filter, behind: Place | None) -> list[str]:
    """The plan of a page of 20: as it is chosen for these binds, and as it is for any."""
    sql, binds = select_rows(LARGE_TABLE, where, order, 21, behind)
    chosen = []
    async with database.connection() as connection:
        for mode in ("force_custom_plan", "force_generic_plan"):
            await connection.execute(f"set plan_cache_mode = {mode}")
            lines = await connection.fetch(f"explain (analyze, buffers, costs off, timing off) {sql}", *binds)
            chosen.append("\n".join(line[0] for line in lines))
        await connection.execute("reset plan_cache_mode")
    return chosen


async def test_a_page_of_a_large_table_is_read_from_an_index_wherever_it_begins(database: Database) -> None:
    dice = random.Random(1)
    rows = [
        LargeRow(
            number,
            text=f"{dice.randrange(1000)}",
            truth=number % 2 == 0,
            real=dice.random(),
            exact=Decimal(number % 3),
            maybe_text=None if number % 3 else f"{number % 7}",
            maybe_whole=None if number % 2 else dice.randrange(10),
        )
        for number in range(LARGE)
    ]
    await store(database, rows, LARGE_TABLE)
    await database.fetch(f'analyze "{LARGE_TABLE.name}"')
    for order_fields in LARGE_TABLE.projection.orders:
        ascending = in_large_order(rows, Order(order_fields))
        for order in (Order(order_fields), Order(order_fields, descending=True)):
            ordered = ascending[::-1] if order.descending else ascending
            for at in (0, LARGE // 2, LARGE - 50):
                behind = order.place_of(ordered[at])
                page = await rows_from(database, LARGE_TABLE, EVERY_ROW, order, 20, behind)
                assert numbers(page) == numbers(ordered[at + 1 : at + 21])
                for plan in await plans(database, order, EVERY_ROW, behind):
                    assert "Seq Scan" not in plan, plan
                    assert blocks_read(plan) <= 25 * 2 * len(order_fields), plan

    columns = {field.name: field for field in LARGE_TABLE.projection.fields}
    by_key = Order((columns["number"],))
    few = Condition(columns["text"], Operator.EQ, "12")
    many = Condition(columns["text"], Operator.STARTS_WITH, "1")
    named = Condition(columns["number"], Operator.IN, (5, LARGE - 1, LARGE))
    by_text = Order(LARGE_TABLE.projection.orders[1])
    for where, order in ((few, by_key), (many, by_text), (many, by_text.reversed), (named, by_key)):
        expected = in_large_order([row for row in rows if matches(where, row)], order)
        for begin in (0, 1, len(expected) // 2):
            start = order.place_of(expected[begin - 1]) if begin else None
            page = await rows_from(database, LARGE_TABLE, where, order, 20, start)
            assert numbers(page) == numbers(expected[begin : begin + 20])
            for plan in await plans(database, order, where, start):
                assert "Seq Scan" not in plan, plan
                assert blocks_read(plan) <= 100, plan


def in_large_order(rows: Sequence[LargeRow], order: Order) -> list[LargeRow]:
    def key(row: LargeRow) -> list[Any]:
        return [(value is None, 0 if value is None else value) for value in order.place_of(row)]

    return sorted(rows, key=key, reverse=order.descending)


def blocks_read(plan: str) -> int:
    """How many blocks of 8 KB of the table and its indexes were looked at. (Each row may be in another.)"""
    counted = re.search(r"Buffers: shared (?:hit=(\d+))? ?(?:read=(\d+))?", plan)
    assert counted, plan
    return sum(int(count or 0) for count in counted.groups())
