"""Filling a table: whenever what is stored, rows and checkpoint are a fold of the log."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commander.domain import ProjectionFailed
from commander.eventstore.database import Database
from commander.eventstore.projections.filling import Filling
from commander.eventstore.projections.folding import ensure_tables, fold, position_of
from commander.eventstore.projections.rows import Unwritable
from commander.eventstore.projections.serving import TableGone, drop
from commander.testing import rows as rows_in_memory
from tests.drawing import examples
from tests.eventstore.conftest import recorded_of
from tests.eventstore.test_projections import TABLE, Broken, Stocked, all_rows, history, shop


@examples(60)
@given(
    history(),
    st.lists(st.integers(0, 20), max_size=5),
    *(st.integers(1, 6) for _ in range(3)),
    st.booleans(),
)
async def test_a_filled_table_is_the_fold_of_the_log_and_so_is_what_is_stored_on_the_way(
    database: Database, events: list[Any], cuts: list[int], changed: int, most: int, known: int, look: bool
) -> None:
    await ensure_tables(database, [TABLE])
    await database.fetch(f'truncate "{TABLE.name}"')
    await database.fetch("update positions_of_projections set position = 0")
    log = recorded_of(shop, events)
    ends = sorted({*(cut for cut in cuts if cut < len(log)), len(log)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("commander.eventstore.projections.filling._MOST_CHANGED", changed)
        patch.setattr("commander.eventstore.projections.filling._MOST_EVENTS", most)
        patch.setattr("commander.eventstore.projections.filling._MOST_KNOWN", known)
        connection = await database.connect("test", durable=False)
        filling = Filling(database, connection, shop, TABLE, 0)
        for begin, end in zip([0, *ends], ends, strict=False):
            await filling.fold(log[begin:end], end)
            if not look:
                continue
            sql = f'select position, (select sum(count) from "{TABLE.name}") from projections'
            stored, count = await database.fetchrow(sql) or (0, 0)  # of one moment
            expected = rows_in_memory(shop, "item", events[:stored]).values()
            assert (count or 0) == sum(row.count for row in expected)
        await filling.finish()
        connection.terminate()
    assert filling.stored == len(log)
    assert {row.item_id: row for row in await all_rows(database)} == rows_in_memory(shop, "item", events)


async def test_a_row_that_is_forgotten_is_not_read_before_it_is_stored(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_MOST_CHANGED", "_MOST_EVENTS", "_MOST_KNOWN"):
        monkeypatch.setattr(f"commander.eventstore.projections.filling.{name}", 1)
    await ensure_tables(database, [TABLE])
    events = [Stocked(n % 3, 1) for n in range(60)]
    log = recorded_of(shop, events)
    connection = await database.connect("test", durable=False)
    filling = Filling(database, connection, shop, TABLE, 0)
    for begin in range(0, len(log), 3):
        await filling.fold(log[begin : begin + 3], begin + 3)
    await filling.finish()
    connection.terminate()
    assert {row.item_id: row for row in await all_rows(database)} == rows_in_memory(shop, "item", events)


async def test_what_cannot_be_stored_leaves_all_before_it_for_one_who_goes_on_from_there(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commander.eventstore.projections.filling._MOST_EVENTS", 2)
    await ensure_tables(database, [TABLE])
    events = [Stocked(1, 1), Stocked(2, 1), Broken(2, "too large a number"), Stocked(1, 1)]
    log = recorded_of(shop, events)
    connection = await database.connect("test", durable=False)
    filling = Filling(database, connection, shop, TABLE, 0)
    await filling.fold(log[:2], 2)
    with pytest.raises(Unwritable):
        await filling.fold(log[2:], 4)
        await filling.finish()
    await filling.abandon()
    assert (filling.stored, await position_of(connection, TABLE)) == (2, 2)
    with pytest.raises(ProjectionFailed, match="Broken at position 3"):
        await fold(connection, shop, TABLE, log[2:], 4)
    connection.terminate()
    assert {row.item_id: row for row in await all_rows(database)} == rows_in_memory(shop, "item", events[:2])


async def test_a_table_that_is_dropped_meanwhile_ends_it(database: Database) -> None:
    await ensure_tables(database, [TABLE])
    await database.fetch("update projections set serving = false")
    connection = await database.connect("test", durable=False)
    filling = Filling(database, connection, shop, TABLE, 0)
    log = recorded_of(shop, [Stocked(1, 1), Stocked(2, 1)])
    await filling.fold(log[:1], 1)
    await drop(database, "item", TABLE.name)
    with pytest.raises(TableGone):
        await filling.finish()
    with pytest.raises(TableGone):
        await filling.fold(log[1:], 2)
    connection.terminate()
