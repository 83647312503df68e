"""The feed: each matching event once, in order, from any cursor, for fast and slow readers alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import msgspec
import pytest

import commander.streaming.feed.feed
import commander.streaming.feed.keeping_up
from commander.domain.errors import InvalidRequest
from commander.eventstore.database import Database
from commander.eventstore.log.event_log import head_position
from commander.eventstore.records import EventFilter, RecordedEvent
from commander.streaming.feed.feed import CaughtUp, Feed, FeedItem, Heartbeat
from commander.streaming.log.event_codec import message_of
from commander.streaming.log.relay import Relay
from tests.faults.waiting import until
from tests.names import NAMES
from tests.streaming.conftest import Bank, running
from tests.streaming.filling import fill
from tests.streaming.subscribing import subscribe


@asynccontextmanager
async def following(
    servers: Bank, tail_size: int = 50, heartbeat_seconds: float = 30, *, wait: bool = True
) -> AsyncIterator[Feed]:
    feed = Feed(servers.database, servers.nats, tail_size=tail_size, heartbeat_seconds=heartbeat_seconds)
    async with running(Relay(servers.database, servers.nats).run()), running(feed.run()):
        async with asyncio.timeout(10):
            while wait and not feed.live:
                await asyncio.sleep(0.01)
        yield feed


async def take(items: AsyncIterator[FeedItem], count: int) -> list[FeedItem]:
    async with asyncio.timeout(20):
        return [await anext(items) for _ in range(count)]


async def take_positions(items: AsyncIterator[FeedItem], count: int) -> list[int]:
    """The positions of the next `count` events, whatever stands between them."""
    found: list[int] = []
    while len(found) < count:
        found += positions(await take(items, 1))
    return found


def positions(items: list[FeedItem]) -> list[int]:
    return [item.position for item in items if isinstance(item, RecordedEvent)]


async def test_history_then_caught_up_then_live_without_a_seam(servers: Bank) -> None:
    await fill(servers.database, 700)
    async with following(servers) as feed:
        reader = subscribe(feed, after=0)
        history = await take(reader, 701)
        assert positions(history) == list(range(1, 701))
        assert history[-1] == CaughtUp(700)
        await fill(servers.database, 120)
        assert await take_positions(reader, 120) == list(range(701, 821))


async def test_what_is_committed_while_the_feed_starts_is_not_skipped(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, calls, filled = head_position, 0, asyncio.Event()

    async def slow_at_first(database: Database) -> int:
        nonlocal calls
        calls += 1
        if calls == 1:  # the feed's own; the next one is the subscriber's
            await filled.wait()
        return await read(database)

    monkeypatch.setattr(commander.streaming.feed.feed, "head_position", slow_at_first)
    async with following(servers, wait=False) as feed:
        await until(lambda: calls == 1, "the feed starts")
        reader = subscribe(feed, after=0)
        assert await take(reader, 1) == [CaughtUp(0)]
        await fill(servers.database, 2)
        filled.set()
        assert await take_positions(reader, 2) == [1, 2]


async def test_a_foreign_message_in_the_mirror_is_read_from_the_log_instead(servers: Bank) -> None:
    feed = Feed(servers.database, servers.nats)
    async with running(feed.run()):
        reader = subscribe(feed, after=0)
        assert await take(reader, 1) == [CaughtUp(0)]
        real = await fill(servers.database, 3)
        await servers.nats.jetstream.publish("events.account.AccountOpened.x", b"{}")
        forged = message_of(NAMES, msgspec.structs.replace(real[1], data='{"owner":"Eve"}'))
        del forged.headers["Commander-Epoch"]
        mirrored = message_of(NAMES, real[2])
        for message in (forged, mirrored):
            await servers.nats.jetstream.publish(message.subject, message.payload, headers=message.headers)
        found: list[FeedItem] = []
        while len(positions(found)) < 3:
            found += await take(reader, 1)
        assert [item for item in found if isinstance(item, RecordedEvent)] == real


async def test_caught_up_comes_after_all_that_the_log_held_mirrored_yet_or_not(servers: Bank) -> None:
    await fill(servers.database, 3)
    feed = Feed(servers.database, servers.nats)  # nothing feeds its tail: no relay runs
    await take(subscribe(feed, after=3), 1)
    await fill(servers.database, 600)
    reader = subscribe(feed, after=0)
    items = await take(reader, 604)
    assert positions(items) == list(range(1, 604))
    assert items[-1] == CaughtUp(603)
    async with running(Relay(servers.database, servers.nats).run()), running(feed.run()):
        assert (await take_positions(subscribe(feed, after=602), 1)) == [603]
        await fill(servers.database, 2)
        assert await take_positions(reader, 2) == [604, 605]


async def test_without_a_relay_and_without_signals_it_reads_what_the_log_has(servers: Bank) -> None:
    feed = Feed(servers.database, servers.nats)
    async with running(feed.run()):
        reader = subscribe(feed, after=0)
        assert await take(reader, 1) == [CaughtUp(0)]
        await fill(servers.database, 600)
        assert await take_positions(reader, 600) == list(range(1, 601))
        assert feed.state == "ok"


async def test_readers_that_start_while_the_log_grows_miss_nothing(servers: Bank) -> None:
    async with following(servers, tail_size=20) as feed:

        async def read(after: int) -> list[int]:
            found: list[int] = []
            async for item in subscribe(feed, after=after):
                if isinstance(item, RecordedEvent):
                    found.append(item.position)
                if item.position == 1000:
                    return found
            return found

        async def grow() -> None:
            for _ in range(100):
                await fill(servers.database, 10)

        readers = [asyncio.create_task(read(0)) for _ in range(5)]
        growing = asyncio.create_task(grow())
        async with asyncio.timeout(30):
            assert [await reader for reader in readers] == [list(range(1, 1001))] * 5
            await growing


async def test_a_slow_reader_falls_back_on_postgres_and_catches_up(servers: Bank) -> None:
    async with following(servers, tail_size=10) as feed:
        slow = subscribe(feed, after=0)
        await fill(servers.database, 1)
        assert await take_positions(slow, 1) == [1]
        await fill(servers.database, 300)
        async with asyncio.timeout(10):
            while feed._head < 301:
                await asyncio.sleep(0.01)
        assert len(feed._tail) == 10
        assert await take_positions(slow, 300) == list(range(2, 302))


async def test_without_a_cursor_it_begins_with_what_comes_next(servers: Bank) -> None:
    await fill(servers.database, 5)
    async with following(servers) as feed:
        reader = subscribe(feed)
        assert await take(reader, 1) == [CaughtUp(5)]
        await fill(servers.database, 1)
        assert positions(await take(reader, 1)) == [6]


async def test_only_what_matches_is_delivered_from_history_and_live(servers: Bank) -> None:
    async with following(servers) as feed:
        wanted = [event for event in await fill(servers.database, 20) if event.position % 7 == 0]
        streams = frozenset(event.stream for event in wanted)
        reader = subscribe(feed, after=0, where=EventFilter(streams=streams))
        assert positions(await take(reader, 3)) == [7, 14]
        by_command = subscribe(feed, after=0, where=EventFilter(command_id=wanted[0].command_id))
        assert positions(await take(by_command, 2)) == [7]  # and CaughtUp
        nothing = subscribe(feed, after=0, where=EventFilter(types=frozenset({"MoneyDeposited"})))
        assert await take(nothing, 1) == [CaughtUp(20)]
        unknown = subscribe(feed, after=0, where=EventFilter(correlation_id=uuid4()))
        assert await take(unknown, 1) == [CaughtUp(20)]


async def test_silence_is_broken_by_heartbeats_that_say_where_it_stands(servers: Bank) -> None:
    async with following(servers, heartbeat_seconds=0.05) as feed:
        reader = subscribe(feed, after=0, where=EventFilter(types=frozenset({"MoneyDeposited"})))
        assert await take(reader, 2) == [CaughtUp(0), Heartbeat(0)]
        await fill(servers.database, 3)
        async with asyncio.timeout(10):
            while (await anext(reader)) != Heartbeat(3):
                pass


async def test_a_cursor_beyond_the_log_is_an_error(servers: Bank) -> None:
    async with following(servers) as feed:
        with pytest.raises(InvalidRequest, match="the log ends at position 0; 1 is beyond it"):
            await anext(subscribe(feed, after=1))


async def test_a_feed_that_nobody_wants_rests_and_goes_on_without_a_seam(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commander.streaming.feed.feed, "_IDLE_SECONDS", 0.1)
    async with following(servers) as feed:
        first = subscribe(feed, after=0)
        await take(first, 1)
        await fill(servers.database, 3)
        assert await take_positions(first, 3) == [1, 2, 3]
        await first.aclose()
        async with asyncio.timeout(10):
            while feed._wanted.is_set():
                await asyncio.sleep(0.01)
        await fill(servers.database, 200)
        assert feed._head == 3, "it rests"
        second, third = subscribe(feed, after=2), subscribe(feed)
        assert await take_positions(second, 201) == list(range(3, 204))
        assert await take(third, 1) == [CaughtUp(203)]
        await fill(servers.database, 5)
        assert await take_positions(second, 5) == await take_positions(third, 5) == list(range(204, 209))
