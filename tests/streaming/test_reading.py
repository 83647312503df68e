"""A reader of the log gets every event once, in order, told of or not."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime
from uuid import UUID

import pytest

from commander.eventstore.records import RecordedEvent
from commander.streaming.log.reading import LogReader
from commander.streaming.nats.chunks import OutMessage
from commander.streaming.nats.signals import LOG, log_signals, signal_subject
from tests.names import NAMES
from tests.streaming.conftest import Bank
from tests.streaming.filling import fill


async def read(log: LogReader, count: int, position: int = 0, limit: int = 100) -> list[RecordedEvent]:
    found: list[RecordedEvent] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            found += await log.after(position + len(found), limit)
    return found


async def test_history_and_what_is_told_come_without_a_seam(servers: Bank) -> None:
    events = await fill(servers.database, 250)
    async with LogReader(servers.database, servers.nats) as log:
        reading = asyncio.create_task(read(log, 400))
        for _ in range(15):
            more = await fill(servers.database, 10)
            await servers.nats.publish_signals(log_signals(NAMES, more))
            events += more
        assert await reading == events


async def test_what_was_told_is_not_looked_for(servers: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    async with LogReader(servers.database, servers.nats) as log:
        assert await log.after(0, 100) == [], "it has looked once"
        monkeypatch.setattr("commander.streaming.log.reading.read_log", None)
        events = await fill(servers.database, 10)
        await servers.nats.publish_signals(log_signals(NAMES, events))
        assert await read(log, 10) == events


async def test_what_was_lost_repeated_or_came_out_of_order_is_read_from_postgres(servers: Bank) -> None:
    chooses = random.Random(7)
    async with LogReader(servers.database, servers.nats) as log:
        reading = asyncio.create_task(read(log, 300, limit=7))
        batches = [await fill(servers.database, 10) for _ in range(30)]
        told = [batch for batch in batches for _ in range(chooses.choice((0, 1, 2)))]
        chooses.shuffle(told)
        for batch in told:
            await servers.nats.publish_signals(log_signals(NAMES, batch))
            await asyncio.sleep(0)
        assert await reading == [event for batch in batches for event in batch]


async def test_a_reader_far_behind_holds_no_more_than_it_may(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commander.streaming.log.reading._KEPT_EVENTS", 50)
    async with LogReader(servers.database, servers.nats) as log:
        await log.after(0, 1)
        events = await fill(servers.database, 300)
        await servers.nats.publish_signals(log_signals(NAMES, events))
        await servers.nats.client.flush()
        assert len(log._received) <= 50
        assert await read(log, 300) == events


async def test_an_event_too_large_to_be_told_is_found(servers: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commander.streaming.log.reading._POLL_SECONDS", 60)
    large = "x" * 600_000
    assert [m.payload for m in log_signals(NAMES, [_event(large)])] == [b"\x90", b"1"]
    async with LogReader(servers.database, servers.nats) as log:
        assert await log.after(0, 100) == []
        events = await fill(servers.database, 3)
        await servers.nats.publish_signals([OutMessage(signal_subject(NAMES, LOG), b"\x90", {})])
        async with asyncio.timeout(30):  # before it would look by itself
            assert await log.after(0, 100) == events


def _event(data: str) -> RecordedEvent:
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    return RecordedEvent(1, "account-1", 1, "AccountOpened", 1, data, UUID(int=1), UUID(int=1), None, moment)
