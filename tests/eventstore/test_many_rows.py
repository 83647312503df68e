"""Events that touch many rows, or rows found by another key: however the log is cut."""

# No `from __future__ import annotations`: some classes here are local, and text could not find them.

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commander import Domain, touches
from commander.domain import ProjectionFailed
from commander.eventstore.database import Database
from commander.eventstore.projections.folding import ensure_tables, fold
from commander.eventstore.projections.rows import Rows
from commander.eventstore.projections.tables import Table
from commander.testing import rows as rows_in_memory
from tests.drawing import examples
from tests.eventstore.conftest import recorded_of
from tests.eventstore.listing import count_of_rows, page_of_rows

shop = Domain("shop")


@shop.event
@dataclass(frozen=True)
class Stocked:
    item_ids: tuple[int, ...]
    owner: str


@shop.event
@dataclass(frozen=True)
class Moved:
    """From one item to another, which may be none."""

    source_id: int
    target_id: int | None


@shop.event
@dataclass(frozen=True)
class Renamed:
    old: str | None
    new: str


@shop.event
@dataclass(frozen=True)
class Cleared:
    person: str


@shop.projection("item", key="item_id", indexes=("count",))
@dataclass(frozen=True)
class Item:
    item_id: int
    owner: str
    count: int = 0

    @touches(lambda event: event.item_ids)
    @classmethod
    def stocked(cls, event: Stocked, row: "Item | None", item_id: int) -> "Item":
        found = row or cls(item_id, event.owner)
        return replace(found, count=found.count + len(event.item_ids))

    @classmethod
    @touches("source_id", "target_id")
    def moved(cls, event: Moved, row: "Item | None", item_id: int) -> "Item":
        found = row or cls(item_id, "nobody")
        return replace(found, count=found.count + (-1 if item_id == event.source_id else 1))

    @touches(owner="old")
    def renamed(self, event: Renamed) -> "Item":
        return replace(self, owner=event.new)

    @touches(owner="person")
    def cleared(self, event: Cleared) -> "Item | None":
        return None if self.count <= 0 else replace(self, count=0)


TABLE = Table(shop.projections["item"])
person = st.sampled_from("abc")
item = st.integers(1, 5)
HISTORY = st.lists(
    st.one_of(
        st.builds(Stocked, st.lists(item, max_size=4).map(tuple), person),
        st.builds(Moved, item, st.none() | item),
        st.builds(Renamed, st.none() | person, person),
        st.builds(Cleared, person),
    ),
    max_size=14,
)


async def all_rows(database: Database) -> dict[int, Any]:
    return {row.item_id: row for row in await page_of_rows(database, TABLE, None, 1000)}


@examples(80)
@given(HISTORY, st.lists(st.integers(0, 14), max_size=4), st.booleans())
async def test_however_the_log_is_cut_the_table_is_its_fold(
    database: Database, events: list[Any], cuts: list[int], remember: bool
) -> None:
    await ensure_tables(database, [TABLE])
    await database.fetch(f'truncate "{TABLE.name}"')
    log = recorded_of(shop, events)
    known = Rows(TABLE) if remember else None
    ends = sorted({*(cut for cut in cuts if cut < len(log)), len(log)})
    async with database.connection() as connection:
        for begin, end in zip([0, *ends], ends, strict=False):
            await fold(connection, shop, TABLE, log[begin:end], end, known)
            assert await all_rows(database) == rows_in_memory(shop, "item", events[:end])


def keys_that_raise(event: Any) -> Sequence[int]:
    raise ZeroDivisionError("no keys")


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        (keys_that_raise, "ZeroDivisionError: no keys"),
        (lambda event: ["one"], "TypeError: @touches gave the key 'one'; item_id is of type int"),
        (lambda event: [[1]], "unhashable type: 'list'"),
        (lambda event: [2**70], "does not fit into 32 bits"),
        (lambda event: 5, "TypeError: 'int' object is not iterable"),
    ],
)
async def test_keys_that_are_none_stop_it_before_the_event(
    database: Database, keys: Any, reason: str
) -> None:
    domain = Domain("shop")

    @domain.event
    @dataclass(frozen=True)
    class Seen:
        number: int

    @domain.projection("line", key="item_id")
    @dataclass(frozen=True)
    class Row:
        item_id: int

        @touches(lambda event: [event.number] if event.number < 2 else keys(event))
        @staticmethod
        def seen(event: Seen, row: Any, item_id: int) -> Any:
            return domain.projections["line"].cls(item_id)

    table = Table(domain.projections["line"])
    await ensure_tables(database, [table])
    async with database.connection() as connection:
        with pytest.raises(ProjectionFailed, match="position 2") as caught:
            await fold(connection, domain, table, recorded_of(domain, [Seen(1), Seen(2)]), 2)
    assert reason in caught.value.reason
    assert await count_of_rows(database, table) == 0


async def test_a_row_that_is_to_be_changed_must_be_there_for_each_key(database: Database) -> None:
    domain = Domain("shop")

    @domain.event
    @dataclass(frozen=True)
    class Seen:
        number: int

    @domain.event
    @dataclass(frozen=True)
    class Both:
        one: int
        other: int

    @domain.projection("line", key="number")
    @dataclass(frozen=True)
    class Row:
        number: int
        count: int = 0

        @staticmethod
        def seen(event: Seen) -> Any:
            return domain.projections["line"].cls(event.number)

        @touches("one", "other")
        def both(self, event: Both) -> Any:
            return replace(self, count=self.count + 1)

    table = Table(domain.projections["line"])
    await ensure_tables(database, [table])
    log = recorded_of(domain, [Seen(1), Both(1, 1), Both(1, 2)])
    async with database.connection() as connection:
        await fold(connection, domain, table, log[:2], 2)
        with pytest.raises(ProjectionFailed, match="no row has number 2, and"):
            await fold(connection, domain, table, log[2:], 3)
    assert [row.count for row in await page_of_rows(database, table, None, 9)] == [1]
