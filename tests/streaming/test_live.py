"""Live rows: a snapshot, then each change with its position; resumed anywhere, nothing is missed."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any

import pytest

from commander.domain import Domain
from commander.domain.errors import InvalidRequest
from commander.domain.filters import EVERY_ROW, Condition, Filter, Operator
from commander.eventstore.log.event_log import head_position
from commander.eventstore.projections.folding import ensure_tables
from commander.eventstore.projections.live import TooManyRows
from commander.eventstore.projections.serving import ProjectionBuilding, drop, switch, table_records
from commander.eventstore.projections.tables import Table
from commander.streaming.live.changes import Cursor, Kind, LiveItem
from commander.streaming.live.live import Live
from commander.streaming.projections.progress import ProjectionProgress
from commander.streaming.projections.projectors import Projectors
from commander.streaming.projections.serving import ServingTables
from tests.streaming.conftest import Bank, running
from tests.streaming.shelf import COLUMN, HEAVIER, INLINE, SHELF, act, any_act, any_where, matching

Items = AsyncGenerator[LiveItem, None]
IN_A = Condition(COLUMN["box"], Operator.EQ, "a")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("commander.streaming.live.watching._REREAD_SECONDS", 0.02)
    monkeypatch.setattr("commander.streaming.live.live._LINKED_PAUSE_SECONDS", 0.02)
    yield


async def live_of(
    servers: Bank, domain: Domain, tables: Mapping[str, Table] | None = None, **settings: Any
) -> Live:
    """As one API process has it."""
    found = {"item": Table(domain.projections["item"])} if tables is None else tables
    progress = ProjectionProgress(servers.nats, servers.database, found)
    await progress.start()
    return Live(domain, servers.database, progress, found, **settings)


@asynccontextmanager
async def shelf_running(servers: Bank, domain: Domain = SHELF) -> AsyncIterator[None]:
    """A processor, and the projections kept up."""
    await ensure_tables(servers.database, [Table(domain.projections["item"])])
    async with (
        running(servers.processor(domain).run()),
        running(Projectors(domain, servers.database, servers.nats).run()),
    ):
        yield


async def acted(servers: Bank, *args: Any) -> int:
    """Applies an act; its position."""
    ended = await servers.outcome(await servers.submit(act(*args), SHELF))
    assert ended.status == "APPLIED"
    return ended.position


async def following(items: Items) -> LiveItem:
    async with asyncio.timeout(30):
        return await anext(items)


def weights(item: LiveItem) -> list[int]:
    return [change.row.weight for change in item.changes if change.row is not None]


class Seen:
    """A client: what it was told, applied; and what it held at each position."""

    def __init__(self) -> None:
        self.rows: dict[int, Any] = {}
        self.cursor: Cursor | None = None
        self.held: list[tuple[int, dict[int, Any]]] = []
        self.snapshots = 0

    def take(self, item: LiveItem, *, first: bool) -> None:
        assert self.cursor is None or item.cursor.position >= self.cursor.position
        assert len({change.key for change in item.changes}) == len(item.changes)
        if item.snapshot:
            self.rows, self.snapshots = {}, self.snapshots + 1
        for kind, key, row in item.changes:
            if item.snapshot:
                assert kind is Kind.ENTERED
            elif first:
                assert kind is not Kind.ENTERED
            else:
                assert (key in self.rows) is (kind is not Kind.ENTERED)
            if kind is Kind.LEFT:
                self.rows.pop(key, None)
            else:
                self.rows[key] = row
        self.cursor = item.cursor
        self.held.append((item.cursor.position, dict(self.rows)))


async def test_a_list_is_told_whole_and_then_what_enters_changes_and_leaves(servers: Bank) -> None:
    live = await live_of(servers, SHELF)
    async with shelf_running(servers):
        await acted(servers, "place", 1, "a", 5)
        position = await acted(servers, "place", 2, "b", 5)
        assert not await live._progress.reach(
            {"item": position}, 10
        )  # of what is not in the list nobody is told
        async with aclosing(live.follow("item", IN_A)) as items:
            first = await following(items)
            assert (first.cursor.position, first.snapshot) == (position, True)
            steps: list[tuple[tuple[Any, ...], list[tuple[Kind, int, Any]]]] = [
                (("weigh", 1, "", 7), [(Kind.CHANGED, 1, ("a", 7))]),
                (("place", 2, "a", 8), [(Kind.ENTERED, 2, ("a", 8))]),
                (("place", 1, "c", 8), [(Kind.LEFT, 1, None)]),
                (("take", 2), [(Kind.LEFT, 2, None)]),
                (("place", 3, "a", 1), [(Kind.ENTERED, 3, ("a", 1))]),
                (("empty", 0, "a", 1), [(Kind.LEFT, 3, None)]),
            ]
            for done, told in steps:
                position = await acted(servers, *done)
                item = await following(items)
                assert (item.cursor.position, item.snapshot) == (position, False)
                assert [
                    (kind, key, None if row is None else (row.box, row.weight))
                    for kind, key, row in item.changes
                ] == told
    assert live.watched == 0


async def test_a_row_is_told_as_it_is_and_whenever_it_changes(servers: Bank) -> None:
    live = await live_of(servers, SHELF)
    where = Condition(COLUMN["item_id"], Operator.EQ, 7)
    async with shelf_running(servers), aclosing(live.follow("item", where, 7)) as items:
        assert (await following(items)).changes == []
        await acted(servers, "place", 8, "a", 5)
        for done, kind in (
            (("place", 7, "a", 1), Kind.ENTERED),
            (("weigh", 6, "", 2), Kind.CHANGED),
            (("empty", 0, "a", 2), Kind.CHANGED),
            (("take", 7), Kind.LEFT),
        ):
            position = await acted(servers, *done)
            item = await following(items)
            assert (item.cursor.position, [c.kind for c in item.changes]) == (position, [kind])


@pytest.mark.parametrize("domain", [SHELF, INLINE], ids=["projected", "inline"])
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_whoever_is_cut_off_and_resumes_anywhere_holds_what_the_log_folds_to_at_each_position(
    servers: Bank, domain: Domain, seed: int
) -> None:
    """Many writers; clients with filters of their own that go from one API process to another."""
    chance = random.Random(seed)
    processes = [await live_of(servers, domain, heartbeat_seconds=0.05) for _ in range(2)]
    done = asyncio.Event()

    async def client(where: Filter, chance: random.Random) -> Seen:
        seen = Seen()
        while True:
            items = chance.choice(processes).follow("item", where, None, seen.cursor)
            first, left = True, chance.randrange(1, 12)
            async with aclosing(items):
                async for item in items:
                    seen.take(item, first=first)
                    first, left = False, left - 1
                    if done.is_set() and item.cursor.position == 241:
                        return seen
                    if left == 0:
                        break
            await asyncio.sleep(chance.random() * 0.05)

    async def writer(chance: random.Random) -> None:
        for _ in range(60):
            await servers.submit(any_act(chance, domain), domain)
            await asyncio.sleep(chance.random() * 0.02)

    wheres = [any_where(chance) for _ in range(6)]
    async with shelf_running(servers, domain), asyncio.timeout(20):
        clients = [asyncio.create_task(client(w, random.Random(chance.random()))) for w in wheres]
        await asyncio.gather(*(writer(random.Random(chance.random())) for _ in range(4)))
        while await head_position(servers.database) < 240:
            await asyncio.sleep(0.01)
        done.set()
        await servers.submit(any_act(chance, domain), domain)
        found = await asyncio.gather(*clients)
    log = await servers.log()
    for where, seen in zip(wheres, found, strict=True):
        for position, rows in seen.held:
            assert rows == matching(domain, log, position, where), position
        assert seen.held[-1][0] == len(log) == 241
    assert [process.watched for process in processes] == [0, 0]


async def test_what_was_touched_behind_a_cursor_is_told_on_another_process(servers: Bank) -> None:
    one, other = await live_of(servers, SHELF), await live_of(servers, SHELF)
    async with shelf_running(servers):
        for n in (1, 2, 3):
            position = await acted(servers, "place", n, "a", n)
        async with aclosing(one.follow("item", IN_A)) as items:
            while (item := await following(items)).cursor.position < position:
                pass
            cursor = item.cursor
        await acted(servers, "take", 1)
        await acted(servers, "weigh", 2, "", 9)
        await acted(servers, "place", 4, "a", 4)
        position = await acted(servers, "place", 5, "b", 4)
        async with aclosing(other.follow("item", EVERY_ROW)) as items:
            while (await following(items)).cursor.position < position:
                pass
        async with aclosing(other.follow("item", IN_A, None, cursor)) as items:
            item = await following(items)
        assert (item.snapshot, item.cursor.position) == (False, position)
        told = {key: (kind, row and row.weight) for kind, key, row in item.changes}
        assert told == {
            1: (Kind.LEFT, None),
            2: (Kind.CHANGED, 9),
            3: (Kind.CHANGED, 9),
            4: (Kind.CHANGED, 4),
            5: (Kind.LEFT, None),
        }
        for unknown in (Cursor(cursor.position), Cursor(cursor.position, "01234567")):
            async with aclosing(other.follow("item", IN_A, None, unknown)) as items:
                assert (await following(items)).snapshot
        with pytest.raises(InvalidRequest, match=f"after: the log ends at position {position}"):
            await following(other.follow("item", IN_A, None, Cursor(position + 1, cursor.table)))


async def test_a_cursor_that_is_too_old_begins_with_a_snapshot(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commander.eventstore.projections.live._MOST_EVENTS", 5)
    live = await live_of(servers, SHELF, heartbeat_seconds=0.05)
    async with shelf_running(servers):
        async with aclosing(live.follow("item", EVERY_ROW)) as items:
            cursor = (await following(items)).cursor
            for n in range(8):
                position = await acted(servers, "place", n, "a", n)
            seen = Seen()
            while (item := await following(items)).cursor.position < position:
                seen.take(item, first=False)
            seen.take(item, first=False)
        assert (len(seen.rows), seen.snapshots) == (8, 0)
        async with aclosing(live.follow("item", EVERY_ROW, None, cursor)) as items:
            item = await following(items)
        assert (item.snapshot, len(item.changes)) == (True, 8)


async def test_more_rows_than_a_list_may_have_are_an_error_at_once_and_later(servers: Bank) -> None:
    live = await live_of(servers, SHELF, max_rows=2)
    async with shelf_running(servers):
        async with aclosing(live.follow("item", IN_A)) as items:
            await following(items)
            with pytest.raises(TooManyRows, match="where: more than 2 rows match"):
                for n in range(4):
                    await acted(servers, "place", n, "a", n)
                    await following(items)
        with pytest.raises(TooManyRows):
            await following(live.follow("item", IN_A))
        assert live.watched == 0


async def test_who_hardly_reads_keeps_no_more_than_its_list_and_comes_to_the_newest(servers: Bank) -> None:
    live = await live_of(servers, SHELF, max_rows=20)
    async with (
        shelf_running(servers),
        aclosing(live.follow("item", EVERY_ROW)) as slow,
        aclosing(live.follow("item", EVERY_ROW)) as quick,
    ):
        seen = Seen()
        seen.take(await following(slow), first=True)
        await following(quick)
        for n in range(300):
            position = await acted(servers, "place", n % 10, "a", n)
        while (await following(quick)).cursor.position < position:
            pass
        follower = live._followers[Table(SHELF.projections["item"]).name]
        assert max(len(watch._pending) for watch in follower._lists) <= 10
        item = await following(slow)
        assert item.cursor.position == position, "what was not read in time is told at once"
        seen.take(item, first=False)
    assert {row.weight for row in seen.rows.values()} == set(range(290, 300))


async def test_who_follows_before_the_table_is_made_gets_its_rows_once_it_is(servers: Bank) -> None:
    live = await live_of(servers, SHELF)
    async with aclosing(live.follow("item", EVERY_ROW)) as items:
        beginning = asyncio.ensure_future(following(items))
        async with asyncio.timeout(30):
            while not live.watched:
                await asyncio.sleep(0.01)
            while live.watched:  # it has found no table
                await asyncio.sleep(0.001)
        await ensure_tables(servers.database, [Table(SHELF.projections["item"])])
        item = await beginning
    assert (item.snapshot, item.changes, item.cursor.position) == (True, [], 0)


async def test_a_projection_that_no_table_shows_yet_is_an_error(servers: Bank) -> None:
    async with running(servers.processor(SHELF).run()):
        await acted(servers, "place", 1, "a", 1)
    await ensure_tables(servers.database, [Table(SHELF.projections["item"])])
    tables = ServingTables(servers.database, servers.nats, SHELF.projections)
    await tables.refresh()
    live = await live_of(servers, SHELF, tables)
    with pytest.raises(ProjectionBuilding):
        await following(live.follow("item", EVERY_ROW))


async def test_when_another_table_serves_all_is_told_anew_and_followed_there(servers: Bank) -> None:
    old = Table(SHELF.projections["item"])
    await ensure_tables(servers.database, [old])
    tables = ServingTables(servers.database, servers.nats, SHELF.projections)
    await tables.refresh()
    async with AsyncExitStack() as stack:
        for work in (
            servers.processor(SHELF).run(),
            tables.run(),
            Projectors(SHELF, servers.database, servers.nats).run(),
        ):
            await stack.enter_async_context(running(work))
        live = await live_of(servers, SHELF, tables, heartbeat_seconds=0.1)
        await acted(servers, "place", 1, "a", 1)
        items = await stack.enter_async_context(aclosing(live.follow("item", EVERY_ROW)))
        seen = Seen()
        while not seen.rows:
            seen.take(item := await following(items), first=False)
        before = item.cursor
        other = Projectors(HEAVIER, servers.database, servers.nats)
        await stack.enter_async_context(running(other.run()))
        while not (item := await following(items)).snapshot:
            pass
        assert weights(item) == [101]
        assert item.cursor.table != before.table
        # Which rows other code touches, nobody knows here: the lists are read again.
        position = await acted(servers, "weigh", 1, "", 7)
        while (item := await following(items)).cursor.position < position:
            pass
        assert [(c.kind, c.row.weight) for c in item.changes if c.row] == [(Kind.CHANGED, 107)]
        async with aclosing(live.follow("item", EVERY_ROW, None, before)) as resumed:
            assert (await following(resumed)).snapshot, "its cursor is of the other table"
        await switch(servers.database, "item", old.name)
        while not (item := await following(items)).snapshot:
            pass
        assert weights(item) == [7]
        (gone,) = (r.table_name for r in await table_records(servers.database) if not r.serving)
        await drop(servers.database, "item", gone)
        position = await acted(servers, "take", 1)
        while (item := await following(items)).cursor.position < position:
            pass
        assert [change.kind for change in item.changes] == [Kind.LEFT]


@pytest.mark.parametrize(
    ("where", "key"),
    [
        pytest.param(IN_A, None, id="a list"),
        pytest.param(Condition(SHELF.projections["item"].key_field, Operator.EQ, 1), 1, id="a row"),
    ],
)
async def test_a_position_is_told_within_a_second_where_no_row_changed(
    servers: Bank, where: Filter, key: int | None
) -> None:
    live = await live_of(servers, SHELF)  # its heartbeat is far away
    async with shelf_running(servers):
        placed = await acted(servers, "place", 1, "a", 5)
        assert not await live._progress.reach({"item": placed}, 10)
        async with aclosing(live.follow("item", where, key)) as items:
            sent = (await following(items)).cursor.position
            for weight in (1, 2):
                position = await acted(servers, "place", 2, "b", weight)
                assert not await live._progress.reach({"item": position}, 10)
                passed = time.monotonic()
                while sent < position:
                    item = await following(items)
                    assert not item.changes or item.cursor.position < position
                    sent = item.cursor.position
                assert sent == position
                assert time.monotonic() - passed < 10, "the heartbeat comes after 15 seconds"
