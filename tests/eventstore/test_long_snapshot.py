"""While a long snapshot lasts (pg_dump, a logical slot, a standby), work on the store stays as cheap.

Postgres keeps every version of a row that the snapshot may still see. So what is counted is the pages that
the same work touches, before and after thousands of updates of its rows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import asyncpg

from commander.eventstore.database import Database
from commander.eventstore.log.checkpoints import (
    all_progress,
    furthest_sequences,
    partition_progress,
    settle_partitions,
)
from commander.eventstore.log.event_log import append, head_position
from commander.eventstore.projections.folding import ensure_tables, fold
from commander.eventstore.projections.live import checkpoint_of
from commander.eventstore.projections.serving import table_records
from commander.eventstore.reactions.calls import CallState, CallStore
from commander.eventstore.reactions.cancelled import cancelled_deadlines
from commander.eventstore.reactions.effects import begin_effect, effect_positions
from commander.eventstore.reactions.reactors import (
    Checkpoint,
    StoredState,
    load_states,
    reactor_checkpoints,
    reactor_positions,
    save_reactor,
)
from commander.eventstore.records import Progress
from tests.eventstore.conftest import recorded_of
from tests.eventstore.decisions import command, decision
from tests.eventstore.test_projections import TABLE, Stocked, shop

MANY = 5000
FEW = 20
CREATED = datetime(2030, 1, 1, tzinfo=UTC)
_PAGES = """select sum(coalesce(heap_blks_hit, 0) + coalesce(heap_blks_read, 0) + coalesce(idx_blks_hit, 0)
                       + coalesce(idx_blks_read, 0))::bigint
            from pg_statio_user_tables"""
_NO_AUTOVACUUM = """do $$ declare one regclass; begin
    for one in select relid from pg_stat_user_tables loop
        execute format('alter table %s set (autovacuum_enabled = off)', one);
    end loop;
end $$"""
"""Its pages would be counted too, whenever it comes."""
Act = Callable[[int], Awaitable[object]]


@asynccontextmanager
async def long_snapshot(database: Database) -> AsyncIterator[None]:
    connection = await asyncpg.connect(database.url)  # ours may not stay idle in a transaction
    try:
        async with connection.transaction(isolation="repeatable_read"):
            await connection.fetch("select count(*) from commands")
            yield
    finally:
        await connection.close()


async def pages_touched(database: Database) -> int:
    """The pages that all sessions have touched.

    What is done one by one is done by one session of the pool, which tells now what it has counted.
    """
    await database.fetchval("select pg_stat_force_next_flush()")
    return int(await database.fetchval(_PAGES))


async def pages_of(database: Database, act: Act, positions: range) -> float:
    """The pages that one of these acts touches, on average."""
    before = await pages_touched(database)
    for position in positions:
        await act(position)
    return (await pages_touched(database) - before) / len(positions)


async def assert_pages_stay_the_same(database: Database, act: Act, moves: str) -> None:
    """An act touches about as many pages after many moves as before them.

    act: gets a position, which grows. moves: SQL that moves to the position n.
    """
    await database.fetch(_NO_AUTOVACUUM)
    await act(1)
    async with long_snapshot(database):
        first = await pages_of(database, act, range(2, FEW))
        await database.fetch(f"select {moves} from generate_series({FEW}, {MANY}) as n")
        await database.fetch(
            "analyze"
        )  # as autovacuum does: now there is one row, in the eyes of the planner
        last = await pages_of(database, act, range(MANY + 1, MANY + FEW))
    assert last <= 2 * first, f"{first} pages at first, {last} at last"  # an index becomes a level higher


async def test_an_append_touches_as_many_pages_after_thousands_of_others(database: Database) -> None:
    await settle_partitions(database, 8)

    async def act(position: int) -> None:
        async with database.connection() as connection:
            progress = Progress(tuple(range(8)), position, CREATED)
            await append(connection, [decision(f"account-{uuid4()}", 0)], progress)
            assert await partition_progress(connection, [7]) == {7: Progress((7,), position, CREATED)}
        assert {one.sequence for one in await all_progress(database)} == {position}
        assert await furthest_sequences(database) == {CREATED: position}

    created = f"'{CREATED.isoformat()}'"
    await assert_pages_stay_the_same(database, act, f"move_progress(array[0,1,2,3,4,5,6,7], {created}, n)")
    assert await head_position(database) == 2 * FEW - 2


async def test_a_fold_and_those_who_read_the_checkpoint_touch_as_many_pages(database: Database) -> None:
    await ensure_tables(database, [TABLE])

    async def act(position: int) -> None:
        events = recorded_of(shop, [Stocked(position, 1)], position - 1)
        async with database.connection() as connection:
            await fold(connection, shop, TABLE, events, position)
            await fold(connection, shop, TABLE, [], position)
        assert await checkpoint_of(database, TABLE) == position
        assert [record.position for record in await table_records(database)] == [position]

    await assert_pages_stay_the_same(database, act, f"move_projection('{TABLE.name}', n)")


async def test_a_reactor_touches_as_many_pages(database: Database) -> None:
    partitions = range(4)
    deadline = command("till-1", reactor="clerk", causation_position=1, deadline=("hot", 0))
    async with database.connection() as connection:
        await reactor_checkpoints(connection, "clerk", partitions)

    async def act(position: int) -> None:
        armed = (deadline,) if position % 2 else ()
        hot, ended = StoredState(f"[{position}]", armed, position), f"key-{position - 1}"
        changed = {"hot": hot, f"key-{position}": hot, ended: None}
        async with database.connection() as connection:
            await save_reactor(connection, "clerk", dict.fromkeys(partitions, position), changed)
            assert await load_states(connection, "clerk", ["hot", ended]) == {"hot": hot}
            cancelled = await cancelled_deadlines(connection, [deadline])
            assert cancelled == (set() if armed else {deadline.command_id})
        assert await reactor_positions(database) == {"clerk": position}

    await assert_pages_stay_the_same(
        database,
        act,
        """move_reactor('clerk', array[0, 1, 2, 3], array_fill(n::bigint, array[4])),
           save_reactor_states('clerk', array['hot'], array['{}'], array['[]'], array[n::bigint])""",
    )
    async with database.connection() as connection:
        reached = MANY + FEW - 1
        checkpoints = await reactor_checkpoints(connection, "clerk", partitions)
        assert checkpoints == dict.fromkeys(partitions, Checkpoint(reached, reached))
        assert await database.fetchval("select count(*) from reactor_states") == 3


async def test_an_effect_touches_as_many_pages(database: Database) -> None:
    async with database.connection() as connection:
        await begin_effect(connection, "other")

    async def act(position: int) -> None:
        async with database.connection() as connection:
            store = CallStore("tell")
            await store.open(connection, 0)
            call = store.take(position)
            assert call is not None
            call = store.count(call, CallState.RUNNING)
            await store.save(position, {position})
            await store.done(call, retry=False)
            await store.save(None, set())
        assert await effect_positions(database) == {"other": 0, "tell": position}

    await assert_pages_stay_the_same(database, act, "move_effect('tell', n)")
    assert not await database.fetchval("select count(*) from effect_calls")


async def test_after_the_snapshot_and_a_vacuum_nothing_is_left_of_it(database: Database) -> None:
    await ensure_tables(database, [TABLE])
    async with database.connection() as connection:
        await reactor_checkpoints(connection, "clerk", [0])

    async def act(position: int) -> None:
        async with database.connection() as connection:
            await fold(connection, shop, TABLE, [], position)
            await save_reactor(connection, "clerk", {0: position})
        assert await checkpoint_of(database, TABLE) == position
        assert await reactor_positions(database) == {"clerk": position}

    first = await pages_of(database, act, range(1, FEW))
    async with long_snapshot(database):
        await database.fetch(
            f"""select move_projection('{TABLE.name}', n), move_reactor('clerk', array[0], array[n::bigint])
                from generate_series({FEW}, {MANY}) as n"""
        )
    async with database.connection() as connection:
        for table in ("positions_of_projections", "reactor_partitions"):
            await connection.execute(f"vacuum {table}")
    assert await pages_of(database, act, range(MANY + 1, MANY + FEW)) <= 2 * first


async def test_each_table_is_in_the_decisions(database: Database) -> None:
    rows = await database.fetch("select tablename from pg_tables where schemaname = 'public'")
    page = Path(__file__).parents[2] / "docs" / "decisions" / "long-snapshots.md"
    listed = [line.split("|")[1] for line in page.read_text().splitlines() if line.startswith("| ")]
    missing = [name for (name,) in rows if not any(f"`{name}`" in cell for cell in listed)]
    assert not missing, "say there how often their rows are updated, and what holds them flat"
