"""Projection tables: each type has a column that gives it back, each name is quoted, each page is whole."""

# No `from __future__ import annotations`: some classes here are local, and text could not find them.

from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commander import BigInt, Domain
from commander.domain import ProjectionFailed
from commander.eventstore.database import Database
from commander.eventstore.projections.folding import ensure_tables, fold, row_by_key
from commander.eventstore.projections.tables import Table
from commander.eventstore.records import RecordedEvent
from tests.domain.everything import Colour, Everything, Kind, Line, Price, Size, values
from tests.drawing import examples
from tests.eventstore.listing import count_of_rows, page_of_rows

shop = Domain("shop")


@shop.event
@dataclass(frozen=True)
class Happened(Everything):
    """One field of every type that there is."""


@shop.projection("row", key="identity", indexes=("text", "colour", "exact", "hour"))
@dataclass(frozen=True)
class EveryColumn(Everything):
    @classmethod
    def copied(cls, event: Happened) -> "EveryColumn":
        return cls(**{field.name: getattr(event, field.name) for field in fields(event)})


EVERY_COLUMN = Table(shop.projections["row"])
EXTREME = Happened(
    text="ü🏦\x01\\\"'",
    truth=True,
    whole=-(2**31),
    big=BigInt(-(2**63)),
    real=5e-324,
    exact=Decimal("1E+131071"),
    identity=UUID(int=2**128 - 1),
    moment=datetime.max.replace(tzinfo=UTC),
    day=date.max,
    hour=time.max,
    colour=Colour.GREEN,
    size=Size.L,
    kind=Kind.OLD,
    line=Line(Price(Decimal("1E-300"), ""), (), None),
    lines=(),
    numbers=[],
    bigs=(BigInt(2**63 - 1), BigInt(-(2**63))),
    gaps=(None, Decimal("-0.00")),
    nested=((), ("", "a")),
)
# numeric has at most 16383 digits behind the point, and a moment must be one in UTC too.
storable = values | {
    "exact": values["exact"].filter(lambda exact: abs(exact.adjusted()) < 1000),
    "moment": values["moment"].filter(lambda moment: 1 < moment.year < 9999),
}


def recorded(domain: Domain, event: Any) -> RecordedEvent:
    type_ = domain.type_of(event)
    data = type_.encode(event).decode()
    now = datetime(2030, 1, 1, tzinfo=UTC)
    return RecordedEvent(1, "s-1", 1, type_.name, 1, data, uuid4(), uuid4(), None, now)


async def store(database: Database, domain: Domain, table: Table, *events: Any) -> None:
    await ensure_tables(database, [table])
    async with database.connection() as connection:
        await fold(connection, domain, table, [recorded(domain, event) for event in events], 1)


async def assert_stored(database: Database, event: Happened) -> None:
    row = await row_by_key(database, EVERY_COLUMN, event.identity)
    assert row == EveryColumn.copied(event)
    assert row.moment.utcoffset() == timedelta(0)
    for name, value in vars(event).items():
        assert isinstance(getattr(row, name), type(value)), name
    assert await page_of_rows(database, EVERY_COLUMN, None, 10) == [row]


@examples(60)
@given(st.builds(Happened, **storable))
async def test_a_row_is_read_back_as_it_was_written(database: Database, event: Happened) -> None:
    event = replace(event, identity=EXTREME.identity)
    await store(database, shop, EVERY_COLUMN, event)
    await assert_stored(database, event)


async def test_extremes_are_read_back_as_they_were_written(database: Database) -> None:
    for event in (
        EXTREME,
        replace(EXTREME, moment=datetime.min.replace(tzinfo=UTC), day=date.min, hour=time.min),
        replace(EXTREME, exact=Decimal("-" + "9" * 500), moment=datetime(2000, 1, 1, tzinfo=timezone.max)),
        replace(EXTREME, real=1.7976931348623157e308, exact=Decimal("1E-16383")),
    ):
        await store(database, shop, EVERY_COLUMN, event)
        await assert_stored(database, event)


@pytest.mark.parametrize("exact", ["1E+131072", "-1E+200000", "1E-20000"])
async def test_a_number_that_postgres_does_not_hold_is_refused_not_changed(
    database: Database, exact: str
) -> None:
    with pytest.raises(ProjectionFailed, match="Happened at position 1"):
        await store(database, shop, EVERY_COLUMN, replace(EXTREME, exact=Decimal(exact)))
    assert await count_of_rows(database, EVERY_COLUMN) == 0


def keyed(hint: Any, name: str = "row", field: str = "key") -> tuple[Domain, Table, Any]:
    """A domain whose one event has but a key of this type, and a projection of those seen."""
    domain = Domain("shop")

    @domain.event
    @dataclass(frozen=True, kw_only=True)
    class Seen:
        __annotations__ = {field: hint}

    @domain.projection(name, key=field)
    @dataclass(frozen=True, kw_only=True)
    class Row:
        __annotations__ = {field: hint}

        @classmethod
        def seen(cls, event: Seen) -> "Row":
            return cls(**vars(event))

    return domain, Table(domain.projections[name]), Seen


@pytest.mark.parametrize(
    ("hint", "keys"),
    [
        (
            str,
            [
                f"{a}{b}"
                for a in ("", "a", "B", "ä", "z", "Z", "-", " ", "🏦")
                for b in ("", "a", "É", "10", "9")
            ],
        ),
        (int, [n * n - 200 for n in range(30)]),
        (BigInt, [n * 2**58 for n in range(-30, 30)]),
        (UUID, [UUID(int=n * 2**122) for n in range(40)]),
        (bool, [True, False]),
        (float, [n / 7 for n in range(-20, 20)]),
        (Decimal, [Decimal(n).scaleb(-n % 7) for n in range(-20, 20)]),
        (
            datetime,
            [datetime(2000, 1, 1, n % 24, tzinfo=timezone(timedelta(hours=n))) for n in range(0, 20, 3)],
        ),
        (date, [date(2000, 1, n) for n in range(1, 30)]),
        (time, [time(n, n) for n in range(20)]),
        (Colour, list(Colour)),
    ],
    ids=str,
)
async def test_pages_hold_every_row_once_whatever_the_type_of_the_key(
    database: Database, hint: Any, keys: list[Any]
) -> None:
    domain, table, seen = keyed(hint)
    distinct = set(keys)
    await store(database, domain, table, *(seen(key=key) for key in keys))
    whole = [row.key for row in await page_of_rows(database, table, None, 1000)]
    assert len(whole) == len(distinct)
    assert set(whole) == distinct
    for size in (1, 2, 7):
        found: list[Any] = []
        while page := await page_of_rows(database, table, found[-1] if found else None, size):
            assert len(page) <= size
            found += [row.key for row in page]
            assert len(found) <= len(whole)
        assert found == whole
    for key in keys:
        assert await row_by_key(database, table, key) == table.projection.cls(key=key)
    assert await count_of_rows(database, table) == len(distinct)
    if hint is not Colour:
        assert whole == sorted(whole)


async def test_names_that_mean_something_to_sql_are_names(database: Database) -> None:
    names = ["order", "select", "user", "Table", "camelCase", "a" * 43]
    for name, field in zip(names, ["limit", "camelCase", "UPPER", "order", "a" * 63, "select"], strict=True):
        domain, table, seen = keyed(str, name, field)
        await store(database, domain, table, seen(**{field: "it"}))
        assert [vars(row) for row in await page_of_rows(database, table, None, 10)] == [{field: "it"}]


async def test_every_index_is_made_however_long_its_name_would_be(database: Database) -> None:
    domain = Domain("shop")
    first, second = "a" * 60 + "b", "a" * 60 + "c"

    @domain.event
    @dataclass(frozen=True)
    class Seen:
        key: str

    @domain.projection("row" * 10, key="key", indexes=(first, second))
    @dataclass(frozen=True)
    class Row:
        __annotations__ = {"key": str, first: int, second: int}

        @classmethod
        def seen(cls, event: Seen) -> Any: ...

    table = Table(domain.projections["row" * 10])
    await ensure_tables(database, [table])
    indexes = await database.fetch("select indexdef from pg_indexes where tablename = $1", table.name)
    for column in (first, second):
        assert [row for row in indexes if f"({column}, key)" in row["indexdef"]], column
