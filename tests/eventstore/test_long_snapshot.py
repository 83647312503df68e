"""While a long snapshot lasts (pg_dump, a logical slot, a standby), work on the log stays as cheap as before.

Postgres keeps every version of a row that the snapshot may still see. So what is counted is the pages that
the same work touches, at the beginning and after many repetitions.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from uuid import uuid4

import asyncpg
import pytest

from commander.eventstore.database import Connection, Database
from commander.eventstore.log.checkpoints import (
    all_progress,
    furthest_sequences,
    partition_progress,
    settle_partitions,
)
from commander.eventstore.log.event_log import append, head_position
from commander.eventstore.projections.folding import ensure_tables, fold, position_of
from commander.eventstore.projections.live import checkpoint_of
from commander.eventstore.projections.serving import table_records
from commander.eventstore.reactions.calls import CallState, CallStore
from commander.eventstore.reactions.effects import begin_effect, effect_positions
from commander.eventstore.reactions.reactors import (
    Checkpoint,
    StoredState,
    cancelled_deadlines,
    load_states,
    reactor_checkpoints,
    reactor_positions,
    save_reactor,
)
from commander.eventstore.records import Progress
from tests.eventstore.conftest import recorded_of
from tests.eventstore.decisions import command, decision
from tests.eventstore.test_projections import TABLE, Stocked, shop

MANY = 600
FEW = 50
CREATED = datetime(2030, 1, 1, tzinfo=UTC)
_PAGES = """select sum(coalesce(heap_blks_hit, 0) + coalesce(heap_blks_read, 0) + coalesce(idx_blks_hit, 0)
                       + coalesce(idx_blks_read, 0))::bigint
            from pg_statio_user_tables"""


@asynccontextmanager
async def long_snapshot(database: Database) -> AsyncIterator[None]:
    connection = await asyncpg.connect(database.url)  # ours may not stay idle in a transaction
    try:
        async with connection.transaction(isolation="repeatable_read"):
            await connection.fetch("select count(*) from commands")
            yield
    finally:
        await connection.close()


async def pages_touched(session: Connection | Database) -> int:
    """The pages that all sessions have touched. session: what has touched some a moment ago is counted."""
    await session.fetchval("select pg_stat_force_next_flush()")
    return int(await session.fetchval(_PAGES))


async def assert_pages_stay_the_same(
    session: Connection | Database, once: Callable[[], Awaitable[object]]
) -> None:
    """The last repetitions touch about as many pages as the first ones. session: all is done through it."""
    touched = []
    for repetitions in (FEW, MANY, FEW):
        before = await pages_touched(session)
        for _ in range(repetitions):
            await once()
        touched.append((await pages_touched(session) - before) / repetitions)
    first, _, last = touched
    assert last <= 1.3 * first + 5, f"{touched} pages per repetition"


async def test_an_append_touches_as_many_pages_after_thousands_of_others(database: Database) -> None:
    await settle_partitions(database, 8)
    sequences = count(1)
    async with long_snapshot(database), database.connection() as connection:

        async def once() -> None:
            progress = Progress(tuple(range(8)), next(sequences), CREATED)
            await append(connection, [decision(f"account-{uuid4()}", 0)], progress)

        await assert_pages_stay_the_same(connection, once)
        stored = await partition_progress(connection, range(8))
    appended = 2 * FEW + MANY
    assert stored == {p: Progress((p,), appended, CREATED) for p in range(8)}
    assert await head_position(database) == appended


async def test_a_fold_and_a_look_at_its_checkpoint_touch_as_many_pages(database: Database) -> None:
    await ensure_tables(database, [TABLE])
    positions = count(1)
    async with long_snapshot(database), database.connection() as connection:

        async def once() -> None:
            position = next(positions)
            await fold(
                connection, shop, TABLE, recorded_of(shop, [Stocked(position, 1)], position - 1), position
            )
            assert await position_of(connection, TABLE) == position

        await assert_pages_stay_the_same(connection, once)


async def test_a_reactor_touches_as_many_pages(database: Database) -> None:
    partitions = range(4)
    positions = count(1)
    async with long_snapshot(database), database.connection() as connection:
        await reactor_checkpoints(connection, "clerk", partitions)
        deadline = command("till-1", reactor="clerk", causation_position=1, deadline=("hot", 0))

        async def once() -> None:
            position = next(positions)
            armed = (deadline,) if position % 2 else ()
            hot, ended = StoredState(f"[{position}]", armed, position), f"key-{position - 1}"
            changed = {"hot": hot, f"key-{position}": hot, ended: None}
            await save_reactor(connection, "clerk", dict.fromkeys(partitions, position), changed)
            assert await load_states(connection, "clerk", ["hot", ended]) == {"hot": hot}
            cancelled = await cancelled_deadlines(connection, [deadline])
            assert cancelled == (set() if armed else {deadline.command_id})

        await assert_pages_stay_the_same(connection, once)
        reached = next(positions) - 1
        checkpoints = await reactor_checkpoints(connection, "clerk", partitions)
    assert checkpoints == dict.fromkeys(partitions, Checkpoint(reached, reached))
    assert await reactor_positions(database) == {"clerk": reached}
    assert await database.fetchval("select count(*) from reactor_states") == 2


async def test_an_effect_touches_as_many_pages(database: Database) -> None:
    positions = count(1)
    async with long_snapshot(database), database.connection() as connection:
        await begin_effect(connection, "other")
        await begin_effect(connection, "tell")
        store = CallStore("tell")
        await store.open(connection, 0)

        async def once() -> None:
            position = next(positions)
            call = store.take(position)
            assert call is not None
            call = store.count(call, CallState.RUNNING)
            await store.save(position, {position})
            await store.done(call, retry=False)
            await store.save(None, set())

        await assert_pages_stay_the_same(connection, once)
        reached = next(positions) - 1
    assert await effect_positions(database) == {"other": 0, "tell": reached}
    assert not await database.fetchval("select count(*) from effect_calls")


@pytest.mark.parametrize("what", ["projections", "reactors", "effects", "progress"])
async def test_who_asks_how_far_all_are_touches_as_many_pages(database: Database, what: str) -> None:
    await settle_partitions(database, 2)
    await ensure_tables(database, [TABLE])
    positions = count(1)
    async with database.connection() as connection:
        await reactor_checkpoints(connection, "clerk", [0, 1])
        await begin_effect(connection, "tell")

    async def move(position: int) -> None:
        async with database.connection() as connection:
            if what == "projections":
                await fold(connection, shop, TABLE, [], position)
            elif what == "reactors":
                await save_reactor(connection, "clerk", {0: position, 1: position})
            elif what == "effects":
                await connection.execute("select move_effect('tell', $1)", position)
            else:
                await append(connection, [], Progress((0, 1), position, CREATED))

    async def once() -> None:
        position = next(positions)
        await move(position)
        if what == "projections":
            assert await checkpoint_of(database, TABLE) == position
            assert [record.position for record in await table_records(database)] == [position]
        elif what == "reactors":
            assert await reactor_positions(database) == {"clerk": position}
        elif what == "effects":
            assert await effect_positions(database) == {"tell": position}
        else:
            assert [one.sequence for one in await all_progress(database)] == [position] * 2
            assert await furthest_sequences(database) == {CREATED: position}

    async with long_snapshot(database):
        await assert_pages_stay_the_same(database, once)


async def test_after_the_snapshot_and_a_vacuum_nothing_is_left_of_it(database: Database) -> None:
    await ensure_tables(database, [TABLE])
    async with database.connection() as connection:
        await reactor_checkpoints(connection, "clerk", [0])
        async with long_snapshot(database):
            for position in range(1, MANY + 1):
                await fold(connection, shop, TABLE, [], position)
                await save_reactor(connection, "clerk", {0: position})
        tables = ["positions_of_projections", "reactor_partitions"]
        for table in tables:
            await connection.execute(f"vacuum {table}")
        dead = await connection.fetch(
            "select relname, n_dead_tup from pg_stat_user_tables where relname = any($1::text[])", tables
        )
        assert {row["relname"]: row["n_dead_tup"] for row in dead} == dict.fromkeys(tables, 0)
        before = await pages_touched(connection)
        for position in range(MANY + 1, MANY + 1 + FEW):
            await fold(connection, shop, TABLE, [], position)
            await save_reactor(connection, "clerk", {0: position})
        assert await pages_touched(connection) - before < 40 * FEW
