"""Subscribers that want the same share one rendering; what they share is bounded, and a gap hurts nobody."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from uuid import uuid4

import pytest

import commander.streaming.feed.groups
from commander.eventstore.records import EventFilter, RecordedEvent
from commander.streaming.feed.fan_out import FanOutGroup, FeedItem
from commander.streaming.feed.feed import Feed
from commander.streaming.log.relay import Relay
from tests.streaming.conftest import Bank, running
from tests.streaming.filling import fill

ALL = EventFilter()
Pages = AsyncGenerator[Sequence[int], None]


class Rendering:
    """Renders items as their positions, and counts how often each event was."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()

    def __call__(self, item: FeedItem) -> int:
        if isinstance(item, RecordedEvent):
            self.counts[item.position] += 1
            return item.position
        return 0


@asynccontextmanager
async def following(servers: Bank, tail_size: int = 10_000) -> AsyncIterator[Feed]:
    feed = Feed(servers.database, servers.nats, tail_size=tail_size, heartbeat_seconds=30)
    async with running(Relay(servers.database, servers.nats).run()), running(feed.run()):
        async with asyncio.timeout(10):
            while not feed.live:
                await asyncio.sleep(0.01)
        yield feed


async def read(pages: Pages, up_to: int) -> list[int]:
    """The positions that come, up to and including one."""
    found: list[int] = []
    async with asyncio.timeout(20):
        while not found or found[-1] != up_to:
            found += [position for position in await anext(pages) if position]
    return found


async def caught_up(
    feed: Feed, key: object, render: Callable[[FeedItem], int], where: EventFilter = ALL
) -> Pages:
    pages = feed.follow(key, None, where, render)
    assert list(await anext(pages)) == [0], "CaughtUp"
    return pages


async def test_an_event_is_rendered_once_for_all_who_want_the_same(servers: Bank) -> None:
    async with following(servers) as feed, AsyncExitStack() as stack:
        shared, other = Rendering(), Rendering()
        many = [await caught_up(feed, "shared", shared) for _ in range(20)]
        alone = await caught_up(feed, "other", other)
        for pages in (*many, alone):
            await stack.enter_async_context(aclosing(pages))
        await fill(servers.database, 1)
        assert [await read(pages, 1) for pages in (*many, alone)] == [[1]] * 21
        shared.counts.clear()
        other.counts.clear()
        await fill(servers.database, 700)
        everything = list(range(2, 702))
        assert [await read(pages, 701) for pages in (*many, alone)] == [everything] * 21
        assert shared.counts == other.counts == Counter(everything)
        assert len(feed._groups) == 2
    assert not feed._groups, "nothing is left of who has gone"
    assert not feed._groups._listed


async def test_who_comes_later_shares_from_then_on_and_renders_its_own_history(servers: Bank) -> None:
    async with following(servers) as feed:
        render = Rendering()
        first = await caught_up(feed, "shared", render)
        await fill(servers.database, 50)
        assert await read(first, 50) == list(range(1, 51))
        late = feed.follow("shared", 0, ALL, render)
        assert await read(late, 50) == list(range(1, 51))
        await fill(servers.database, 5)
        assert await read(first, 55) == await read(late, 55) == [51, 52, 53, 54, 55]
        assert [render.counts[position] for position in range(51, 56)] == [1] * 5
        await first.aclose()
        await late.aclose()


async def test_a_reader_that_stands_still_falls_out_of_the_channel_and_misses_nothing(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commander.streaming.feed.groups, "_MAX_RENDERED_BYTES", 40_000)
    async with following(servers, tail_size=20) as feed:
        quick, slow = await caught_up(feed, "shared", int_of), await caught_up(feed, "shared", int_of)
        for upto in range(200, 2001, 200):
            await fill(servers.database, 200)
            assert (await read(quick, upto))[-1] == upto
        [channel] = feed._groups._groups.values()
        assert channel.weight < 60_000
        assert channel.floor > 1000
        assert await read(slow, 2000) == list(range(1, 2001))
        await fill(servers.database, 3)
        assert await read(quick, 2003) == await read(slow, 2003) == [2001, 2002, 2003]
        await quick.aclose()
        await slow.aclose()


def int_of(item: FeedItem) -> int:
    return item.position if isinstance(item, RecordedEvent) else 0


async def test_only_groups_that_an_event_is_for_are_asked(servers: Bank) -> None:
    async with following(servers) as feed:
        events = await fill(servers.database, 3)
        rendering = Rendering()
        filters = [
            EventFilter(streams=frozenset({events[0].stream, "account-none"})),
            EventFilter(command_id=events[1].command_id),
            EventFilter(correlation_id=events[2].correlation_id),
            EventFilter(correlation_id=uuid4()),
        ]
        readers = [feed.follow(where, 0, where, rendering) for where in filters]
        assert [list(await anext(pages)) for pages in readers] == [[1], [2], [3], [0]]
        assert len(feed._groups._listed) == 5
        for pages in readers:
            await pages.aclose()
        assert not feed._groups._listed


def test_a_gap_lets_go_of_what_stood_before_it() -> None:
    channel = FanOutGroup(ALL, int_of, floor=10)
    event = RecordedEvent(11, "a-1", 1, "X", 1, "{}", uuid4(), uuid4(), None, None)  # type: ignore[arg-type]
    assert channel.add(event)
    assert channel.after(10, 5) == ([11], 11)
    channel.restart(30)
    assert (channel.floor, len(channel), channel.weight) == (30, 0, 0)
    assert channel.after(30, 5) == ([], 30)


async def test_a_subscriber_that_is_cut_leaves_nothing_behind(servers: Bank) -> None:
    async with following(servers) as feed:

        async def subscriber() -> None:
            async with aclosing(feed.follow("shared", None, ALL, int_of)) as pages:
                async for _ in pages:
                    pass

        tasks = [asyncio.create_task(subscriber()) for _ in range(200)]
        async with asyncio.timeout(10):
            while not feed._groups or len(next(iter(feed._groups._groups.values()))._waiting) < 200:
                await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert not feed._groups
