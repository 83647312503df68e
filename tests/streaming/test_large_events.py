"""Whoever reads the log in batches reads large events in small ones, and misses none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from commander.eventstore.batches import BATCH_BYTES
from commander.eventstore.log.ranges import read_log
from commander.eventstore.projections.log_ranges import read_range
from commander.eventstore.records import EventFilter, RecordedEvent
from commander.streaming.feed.catch_up import CatchUp
from commander.streaming.log.prefetch import LogPrefetch
from commander.streaming.log.reading import LogReader
from commander.streaming.log.relay import Relay
from commander.streaming.nats.ordered_consumer import OrderedConsumer
from tests.streaming.conftest import Bank, running
from tests.streaming.filling import fill

SIZE = 600_000
COUNT = 20
MOST = BATCH_BYTES // SIZE + 1
"""The most events of a batch: it ends with the one that reaches the bytes."""


async def filled(servers: Bank) -> list[RecordedEvent]:
    """Large events, then small ones."""
    large = await fill(servers.database, COUNT, "x" * SIZE)
    return [*large, *await fill(servers.database, 300)]


def sizes(pages: Sequence[Sequence[object]]) -> list[int]:
    return [len(page) for page in pages if page]


async def test_a_page_of_the_log_ends_with_the_event_that_reaches_the_bytes(servers: Bank) -> None:
    events = await filled(servers)
    found: list[RecordedEvent] = []
    while len(found) < len(events):
        page = await read_log(servers.database, len(found), len(events), 500, max_bytes=BATCH_BYTES)
        assert len(page) == MOST or events[-1] in page
        found += page
    assert found == events
    assert len(await read_log(servers.database, 0, 100, 500, max_bytes=1)) == 1
    assert len(await read_log(servers.database, 0, len(events), 500)) == len(events)


async def test_a_reader_of_the_log_gets_them_in_small_batches(servers: Bank) -> None:
    events = await filled(servers)
    batches: list[list[RecordedEvent]] = []
    async with LogReader(servers.database, servers.nats) as log, asyncio.timeout(20):
        while sum(map(len, batches)) < len(events):
            batches.append(await log.after(sum(map(len, batches)), 500))
    assert [event for batch in batches for event in batch] == events
    assert sizes(batches)[:2] == [MOST, MOST]


async def test_ranges_of_a_projection_are_small_and_have_no_gap(servers: Bank) -> None:
    events = await filled(servers)
    async with servers.database.connection() as connection:
        first = await read_range(connection, 0, ["AccountOpened"], 500)
        assert (len(first.events), first.up_to, first.at_head) == (MOST, MOST, False)
    found, batches = [0], []
    async with (
        LogReader(servers.database, servers.nats) as log,
        LogPrefetch(servers.database, log, ["AccountOpened"], 0, limit=500) as prefetch,
        asyncio.timeout(20),
    ):
        while found[-1] < len(events):
            log_range = await prefetch.next()
            batches.append(log_range.events)
            found.append(log_range.up_to)
    assert [event.position for batch in batches for event in batch] == list(range(1, len(events) + 1))
    assert sizes(batches)[:2] == [MOST, MOST]


async def test_a_subscriber_catches_up_in_small_pages(servers: Bank) -> None:
    events = await filled(servers)
    pages = [page async for page, _ in CatchUp(servers.database).pages(0, len(events), EventFilter())]
    assert [event for page in pages for event in page] == events
    assert sizes(pages)[0] == MOST


async def test_the_relay_mirrors_them(servers: Bank) -> None:
    events = await filled(servers)
    async with running(Relay(servers.database, servers.nats).run()):
        found = 0
        async with OrderedConsumer(servers.nats, "EVENTS", [], 0) as mirror, asyncio.timeout(30):
            while found < len(events):
                batch = await mirror.next_batch(500, 1)
                assert sum(len(message.data) for message in batch) < BATCH_BYTES + 2 * SIZE
                found += len(batch)
    assert found == len(events)
