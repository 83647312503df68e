"""Projections: a table is the fold of the log up to its checkpoint, and nothing else ever shows in it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commander import Domain
from commander.domain import ProjectionFailed, UndecodableEvent
from commander.domain.errors import Unavailable
from commander.eventstore.database import Connection, Database
from commander.eventstore.projections.folding import (
    ProjectionStatus,
    Stopped,
    ensure_tables,
    fold,
    position_of,
    projection_statuses,
    row_by_key,
    save_failure,
)
from commander.eventstore.projections.tables import Table
from commander.eventstore.records import RecordedEvent
from commander.testing import rows as rows_in_memory
from tests.drawing import examples
from tests.eventstore.listing import count_of_rows, page_of_rows

shop = Domain("shop")
NOW = datetime(2030, 1, 1, tzinfo=UTC)


@shop.event
@dataclass(frozen=True)
class Stocked:
    item_id: int
    count: int


@shop.event
@dataclass(frozen=True)
class Renamed:
    item_id: int
    name: str | None


@shop.event
@dataclass(frozen=True)
class Discarded:
    item_id: int


@shop.event
@dataclass(frozen=True)
class Broken:
    """How the projection fails on it is in `how`."""

    item_id: int
    how: str


@shop.event
@dataclass(frozen=True)
class Ignored:
    item_id: int


@shop.projection("item", key="item_id", indexes=("count", "name"))
@dataclass(frozen=True)
class Item:
    item_id: int
    count: int
    name: str | None = None

    @classmethod
    def stocked(cls, event: Stocked, row: Item | None) -> Item:
        return cls(event.item_id, event.count) if row is None else replace(row, count=row.count + event.count)

    def renamed(self, event: Renamed) -> Item:
        return replace(self, name=event.name)

    def discarded(self, event: Discarded) -> None:
        return None

    def broken(self, event: Broken) -> Any:
        match event.how:
            case "raises":
                raise ZeroDivisionError("a bug")
            case "another key":
                return replace(self, item_id=self.item_id + 1)
            case "another class":
                return event
        return replace(self, **UNWRITABLE[event.how])


UNWRITABLE: dict[str, dict[str, Any]] = {
    "too large a number": {"count": 2**63},
    "a character that is none": {"name": "a\0"},
    "no value": {"count": None},
    "too long for the index": {"name": "".join(str(uuid4()) for _ in range(400))},
    "a value of another type": {"count": "many"},
}
TABLE = Table(shop.projections["item"])


def recorded(events: list[Any], after: int = 0) -> list[RecordedEvent]:
    """These events as the log would have them."""
    found = []
    for position, event in enumerate(events, after + 1):
        type_ = shop.type_of(event)
        data = type_.encode(event).decode()
        found.append(
            RecordedEvent(position, "item-1", position, type_.name, 1, data, uuid4(), uuid4(), None, NOW)
        )
    return found


async def all_rows(database: Database, table: Table = TABLE) -> list[Any]:
    return await page_of_rows(database, table, None, 10_000)


async def position(database: Database, table: Table = TABLE) -> int:
    async with database.connection() as connection:
        return await position_of(connection, table)


def history(keys: int = 4) -> st.SearchStrategy[list[Any]]:
    """Events that can be folded: nothing is renamed or discarded that is not there."""
    key = st.integers(-1, keys)
    anything = st.one_of(
        st.builds(Stocked, key, st.integers(-5, 5)),
        st.builds(Stocked, key, st.integers(-5, 5)),
        st.builds(Renamed, key, st.none() | st.text("ab", max_size=2)),
        st.builds(Discarded, key),
        st.builds(Ignored, key),
    )

    def possible(events: list[Any]) -> list[Any]:
        there: set[int] = set()
        kept = []
        for event in events:
            if isinstance(event, Renamed | Discarded) and event.item_id not in there:
                continue
            if isinstance(event, Stocked):
                there.add(event.item_id)
            elif isinstance(event, Discarded):
                there.remove(event.item_id)
            kept.append(event)
        return kept

    return st.lists(anything, max_size=40).map(possible)


@examples(40)
@given(history(), st.lists(st.integers(0, 15), max_size=8))
async def test_however_the_log_is_cut_the_table_is_its_fold(
    database: Database, events: list[Any], cuts: list[int]
) -> None:
    await database.fetch('drop table if exists "' + TABLE.name + '"')
    await database.fetch("delete from projections")
    await ensure_tables(database, [TABLE])
    log, done = recorded(events), 0
    async with database.connection() as connection:
        for size in [*cuts, len(log)]:
            batch = log[done : done + size]
            done += len(batch)
            await fold(connection, shop, TABLE, batch, done)
            expected = rows_in_memory(shop, "item", events[:done])
            assert {row.item_id: row for row in await all_rows(database)} == expected
            assert await position_of(connection, TABLE) == done
    assert await count_of_rows(database, TABLE) == len(expected)
    for key in range(-1, 5):
        assert await row_by_key(database, TABLE, key) == expected.get(key)


async def test_rows_and_checkpoint_become_visible_together(database: Database) -> None:
    await ensure_tables(database, [TABLE])
    async with database.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await fold(connection, shop, TABLE, recorded([Stocked(1, 1)]), 1)
        assert (await all_rows(database), await position(database)) == ([], 0)
        await transaction.commit()
    assert (await all_rows(database), await position(database)) == ([Item(1, 1)], 1)


async def test_when_the_checkpoint_cannot_be_moved_no_row_is_written(database: Database) -> None:
    await ensure_tables(database, [TABLE])
    log = recorded([Stocked(1, 1), Stocked(1, 1)])
    async with database.connection() as connection:
        await connection.execute(
            "alter table positions_of_projections add constraint no_further check (position < 2)"
        )
        try:
            await fold(connection, shop, TABLE, log[:1], 1)
            with pytest.raises(asyncpg.CheckViolationError):
                await fold(connection, shop, TABLE, log[1:], 2)
        finally:
            await connection.execute("alter table positions_of_projections drop constraint no_further")
    assert (await all_rows(database), await position(database)) == ([Item(1, 1)], 1)


HISTORY = [Stocked(1, 1), Stocked(2, 1), Renamed(1, "pen"), Stocked(1, 1), Discarded(2), Stocked(3, 3)]


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("raises", "ZeroDivisionError: a bug"),
        ("another key", "returned a row with another item_id"),
        ("another class", "returned Broken, not Item"),
        ("too large a number", "out of int64 range"),
        ("a character that is none", "0x00"),
        ("no value", "null value in column"),
        ("too long for the index", "index row"),
        ("a value of another type", "many"),
    ],
)
@pytest.mark.parametrize("at", [0, 3, 6])
async def test_a_projection_that_fails_names_the_event_and_leaves_nothing_behind(
    database: Database, how: str, reason: str, at: int
) -> None:
    await ensure_tables(database, [TABLE])
    log = recorded([Stocked(9, 1), *HISTORY[:at], Broken(9, how), *HISTORY[at:]])
    async with database.connection() as connection:
        await fold(connection, shop, TABLE, log[:1], 1)
        with pytest.raises(ProjectionFailed) as caught:
            await fold(connection, shop, TABLE, log[1:], len(log))
        failed = caught.value
        assert (failed.projection, failed.position, failed.event_type) == ("item", at + 2, "Broken")
        assert reason in failed.reason
        assert (await all_rows(database), await position(database)) == ([Item(9, 1)], 1)
        # What stands before the event can be folded: this is how a projection comes to stop right there.
        await fold(connection, shop, TABLE, log[1 : at + 1], at + 1)
    expected = rows_in_memory(shop, "item", [Stocked(9, 1), *HISTORY[:at]])
    assert {row.item_id: row for row in await all_rows(database)} == expected


async def test_an_event_that_repairs_the_row_within_a_batch_lets_it_pass(database: Database) -> None:
    await ensure_tables(database, [TABLE])
    log = recorded([Stocked(1, 1), Broken(1, "a character that is none"), Renamed(1, "pen")])
    async with database.connection() as connection:
        await fold(connection, shop, TABLE, log, 3)
    assert await all_rows(database) == [Item(1, 1, "pen")]


@pytest.mark.parametrize("event", [Renamed(9, "pen"), Discarded(9)])
async def test_there_must_be_a_row_to_change(database: Database, event: Any) -> None:
    await ensure_tables(database, [TABLE])
    async with database.connection() as connection:
        with pytest.raises(ProjectionFailed, match="position 2: LookupError: no row has item_id 9"):
            await fold(connection, shop, TABLE, recorded([Stocked(1, 1), event]), 2)
    assert (await all_rows(database), await position(database)) == ([], 0)


async def test_an_event_that_cannot_be_read_stops_it_before_anything_is_written(database: Database) -> None:
    await ensure_tables(database, [TABLE])
    first, second = recorded([Stocked(1, 1), Stocked(2, 1)])
    for unreadable in (
        msgspec.structs.replace(second, data="{}"),
        msgspec.structs.replace(second, schema_version=2),
    ):
        async with database.connection() as connection:
            with pytest.raises(UndecodableEvent, match="position 2"):
                await fold(connection, shop, TABLE, [first, unreadable], 2)
    assert (await all_rows(database), await position(database)) == ([], 0)


async def test_events_that_are_none_of_its_business_move_the_checkpoint_alone(database: Database) -> None:
    await ensure_tables(database, [TABLE])
    gone = msgspec.structs.replace(recorded([Ignored(1)], after=1)[0], type="Gone", data='{"no": "longer"}')
    async with database.connection() as connection:
        await fold(connection, shop, TABLE, [*recorded([Ignored(1)]), gone], 2)
        await fold(connection, shop, TABLE, [], 7)
    assert (await all_rows(database), await position(database)) == ([], 7)


async def test_why_it_stopped_is_shown_until_it_goes_on(database: Database) -> None:
    await ensure_tables(database, [TABLE])
    async with database.connection() as connection:
        await save_failure(connection, TABLE, 3, "no")
        (status,) = await projection_statuses(database, [TABLE])
        assert status == ProjectionStatus("item", TABLE.name, 0, Stopped(3, "", "no"))
        await fold(connection, shop, TABLE, [], 3)
    (status,) = await projection_statuses(database, [TABLE])
    assert status == ProjectionStatus("item", TABLE.name, 3, None)
    assert await projection_statuses(database, []) == []


async def test_eight_at_once_make_the_tables_once(database: Database) -> None:
    await asyncio.gather(*(ensure_tables(database, [TABLE]) for _ in range(8)))
    sql = "select count(*) from pg_indexes where tablename = $1"
    assert await database.fetchval(sql, TABLE.name) == 3, "the key's, and the two asked for"
    assert await position(database) == 0


async def test_two_versions_of_a_projection_stand_side_by_side(database: Database) -> None:
    newer = Table(replace(TABLE.projection, fingerprint_by=lambda _: "01234567"))
    await ensure_tables(database, [TABLE])
    async with database.connection() as connection:
        await fold(connection, shop, TABLE, recorded([Stocked(1, 1)]), 1)
        await ensure_tables(database, [TABLE, newer])
        await fold(connection, shop, newer, recorded([Stocked(1, 1), Stocked(1, 1)]), 2)
    assert [await position(database, table) for table in (TABLE, newer)] == [1, 2]
    assert await all_rows(database, TABLE) == [Item(1, 1)]
    assert await all_rows(database, newer) == [Item(1, 2)]


async def test_many_events_of_many_keys_are_one_fold(database: Database) -> None:
    await ensure_tables(database, [TABLE])
    events = [Stocked(n % 700, n) for n in range(2000)]
    async with database.connection() as connection:
        await fold(connection, shop, TABLE, recorded(events), 2000)
    assert {row.item_id: row for row in await all_rows(database)} == rows_in_memory(shop, "item", events)


async def test_a_fold_without_its_connection_is_unavailable(database: Database) -> None:
    await ensure_tables(database, [TABLE])
    connection: Connection = await database.connect("test")
    connection.terminate()
    with pytest.raises(Unavailable):
        await fold(connection, shop, TABLE, recorded([Stocked(1, 1)]), 1)
