"""Whoever follows events or rows is told that they stand still, since when, and when they move again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from commander.domain.errors import Trouble
from commander.domain.filters import EVERY_ROW
from commander.eventstore.projections.folding import ensure_tables
from commander.eventstore.projections.tables import Table
from commander.eventstore.records import RecordedEvent
from commander.streaming.feed.feed import CaughtUp, Feed, FeedItem, Heartbeat, StandsStill
from commander.streaming.live.live import Live
from commander.streaming.log.relay import Relay
from commander.streaming.projections.progress import ProjectionProgress
from commander.streaming.projections.projectors import Projectors
from commander.streaming.standstill import Standing, Standstill
from tests.streaming.conftest import Bank, running
from tests.streaming.filling import fill
from tests.streaming.shelf import SHELF
from tests.streaming.subscribing import subscribe
from tests.streaming.test_live import acted, following
from tests.streaming.test_live import weights as weights_in


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("commander.streaming.standstill._POLL_SECONDS", 0.1)
    monkeypatch.setattr("commander.streaming.standstill._OUTAGE_SECONDS", 0.1)
    yield


async def test_events_that_nobody_brings_stand_still_until_the_relay_does(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commander.streaming.feed.keeping_up._CHECK_SECONDS", 1000)
    progress = ProjectionProgress(servers.nats, servers.database, {})
    standstill = Standstill(progress, (), ())
    feed = Feed(servers.database, servers.nats, heartbeat_seconds=0.3, standstill=standstill)
    async with running(feed.run()), running(standstill.run(feed.followed_position)), asyncio.timeout(20):
        reader = subscribe(feed)
        assert await anext(reader) == CaughtUp(0)
        assert await anext(reader) == Heartbeat(0)
        before = datetime.now(UTC)
        await fill(servers.database, 3)  # without a signal, and nobody mirrors it
        while isinstance(still := await anext(reader), Heartbeat):
            pass
        assert isinstance(still, StandsStill)
        assert still.position == 0
        assert abs((still.since - before).total_seconds()) < 2
        assert still.reason == "the events after position 0 do not arrive; the log ends at 3"
        assert feed.state.startswith("stands still since ")
        assert await anext(reader) == still, "it comes in place of heartbeats"
        late = subscribe(feed, after=0)  # from Postgres
        found = [await anext(late) for _ in range(5)]
        assert [type(item) for item in found] == [*[RecordedEvent] * 3, CaughtUp, StandsStill]
        async with running(Relay(servers.database, servers.nats).run()):
            events: list[FeedItem] = []
            while len(events) < 3:
                if not isinstance(item := await anext(reader), StandsStill | Heartbeat):
                    events.append(item)
            while not isinstance(await anext(reader), Heartbeat):
                pass
        assert [event.position for event in events] == [1, 2, 3]
        assert feed.state == "ok"


async def test_rows_of_a_projection_that_has_stopped_stand_still_until_it_goes_on(servers: Bank) -> None:
    tables = {"item": Table(SHELF.projections["item"])}
    await ensure_tables(servers.database, list(tables.values()))
    progress = ProjectionProgress(servers.nats, servers.database, tables)
    await progress.start()
    standstill = Standstill(progress, (), tables)
    live = Live(SHELF, servers.database, progress, tables, standstill=standstill)

    def projections() -> Projectors:
        return Projectors(SHELF, servers.database, servers.nats)

    async with running(servers.processor(SHELF).run()), running(standstill.run(lambda: None)):
        async with running(projections().run()):
            assert not await progress.reach({"item": await acted(servers, "place", 1, "a", 5)}, 10)
            items = live.follow("item", EVERY_ROW)
            first = await following(items)
            assert (weights_in(first), first.standing) == ([5], None)
        await acted(servers, "place", 2, "a", 7)
        still = await following(items)
        assert (still.snapshot, still.changes, still.cursor) == (False, [], first.cursor)
        assert still.standing is not None
        assert "item stays at position 1; the log ends at 2" in still.standing.reason
        late = live.follow("item", EVERY_ROW)
        assert (await following(late)).standing == still.standing
        async with running(projections().run()):
            shown: list[int] = []
            standing: Standing | None = still.standing
            while not shown or standing is not None:
                item = await following(items)
                shown, standing = shown + weights_in(item), item.standing
            assert shown == [7]
        await items.aclose()
        await late.aclose()


async def test_all_stands_still_while_a_server_is_unreachable_but_not_for_a_moment(servers: Bank) -> None:
    progress = ProjectionProgress(servers.nats, servers.database, {})
    circuit = servers.nats.circuit
    standstill = Standstill(progress, (circuit,), ["item"])
    changes: list[bool] = []
    standstill.on_change(lambda: changes.append(standstill.of_events() is not None))
    async with running(standstill.run(lambda: None)), asyncio.timeout(10):
        circuit.open(Trouble.SILENT, "it does not answer")
        while not changes:
            await asyncio.sleep(0.01)
        standing = standstill.of_rows("item")
        assert standing is not None
        assert standing == standstill.of_events()
        assert standing.reason.startswith("NATS is silent since ")
        circuit.close()
        while len(changes) < 2:
            await asyncio.sleep(0.01)
    assert changes == [True, False]
