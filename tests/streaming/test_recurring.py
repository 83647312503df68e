"""What recurs comes once per tick, whoever sets it and however often; the tests move the clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from commander import Domain
from commander.streaming.commands.assembling import tick_id
from commander.streaming.commands.messages import scheduled_subject
from commander.streaming.reactors.recurring import Ticker
from tests.names import NAMES
from tests.streaming.conftest import Bank, running

MIDNIGHT = datetime(2020, 1, 1, tzinfo=UTC)
books = Domain("books")


@books.command
@dataclass(frozen=True)
class CloseBooks:
    book: str
    at: datetime


@books.event
@dataclass(frozen=True)
class BooksClosed:
    book: str
    at: datetime


@books.aggregate(key="book")
@dataclass(frozen=True)
class Book:
    closings: int = 0

    def close(self, command: CloseBooks) -> BooksClosed:
        return BooksClosed(command.book, command.at)

    def closed(self, event: BooksClosed) -> Book:
        return Book(self.closings + 1)


@books.every("0 0 * * *")
def nightly(tick: datetime) -> list[CloseBooks]:
    return [CloseBooks("sales", tick), CloseBooks("stock", tick)]


@books.every("0 0 2 * *")
def on_the_second(tick: datetime) -> CloseBooks:
    if tick.month == 2:
        raise RuntimeError("not in February")
    return CloseBooks("second", tick)


class Clock:
    """Stands still until it is moved."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


async def closings(servers: Bank, *ids: UUID) -> list[tuple[str, Any]]:
    """What was closed, and when, once these commands are decided."""
    for command_id in ids:
        await servers.outcome(command_id)
    events = [books.events["BooksClosed"].decode(e.data, e.position) for e in await servers.log()]
    return [(event.book, event.at) for event in events]


async def test_each_tick_comes_once_though_several_set_it_again_and_again(servers: Bank) -> None:
    clock = Clock(MIDNIGHT - timedelta(seconds=1))
    async with running(servers.processor(books).run()):
        for day in range(3):
            tick = MIDNIGHT + timedelta(days=day)
            clock.now = tick - timedelta(seconds=1)
            for _ in range(2):  # each is new, as after a restart
                for ticker in (Ticker(books, servers.submitter, now=clock) for _ in range(2)):
                    assert await ticker.set_next() <= tick
            found = await closings(servers, *(tick_id("nightly", tick, n) for n in (0, 1)))
            assert [one for one in found if one[1] == tick and one[0] != "second"] == [
                ("sales", tick),
                ("stock", tick),
            ]
    commands = await servers.database.fetch("select actor, reactor from commands where type = 'CloseBooks'")
    assert {(row["actor"], row["reactor"]) for row in commands} <= {
        ("every nightly", None),
        ("every on_the_second", None),
    }


async def test_the_next_tick_is_set_ahead_once_and_a_restart_sets_the_same(servers: Bank) -> None:
    far = datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC)
    for _ in range(2):
        await Ticker(books, servers.submitter, now=lambda: far).set_next()
    info = await servers.nats.jetstream.stream_info("COMMANDS", subjects_filter="commands.scheduled.>")
    tick = datetime(2100, 1, 1, tzinfo=UTC)
    second = tick + timedelta(days=1)
    expected = {tick_id("nightly", tick, 0), tick_id("nightly", tick, 1), tick_id("on_the_second", second, 0)}
    assert set(info.state.subjects or {}) == {scheduled_subject(NAMES, one, one) for one in expected}
    assert info.state.messages == 3


async def test_one_that_raises_stops_alone_and_goes_on_with_the_next_tick(
    servers: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock(datetime(2020, 2, 1, 23, 59, tzinfo=UTC))
    ticker = Ticker(books, servers.submitter, now=clock)
    async with running(servers.processor(books).run()):
        for _ in range(2):
            await ticker.set_next()
        assert ticker.failures == {"on_the_second": "RuntimeError: not in February"}
        tick = datetime(2020, 2, 2, tzinfo=UTC)
        assert ("sales", tick) in await closings(servers, tick_id("nightly", tick, 1))
        clock.now = datetime(2020, 3, 1, 23, 59, tzinfo=UTC)
        await ticker.set_next()
        third = datetime(2020, 3, 2, tzinfo=UTC)
        assert ("second", third) in await closings(servers, tick_id("on_the_second", third, 0))
    assert ticker.failures == {}
    assert len([r for r in caplog.records if "not in February" in r.message]) == 1


async def test_it_looks_again_when_the_clock_says_so(servers: Bank) -> None:
    clock = Clock(MIDNIGHT - timedelta(milliseconds=1))
    ticker = Ticker(books, servers.submitter, now=clock)
    async with running(servers.processor(books).run()), running(ticker.run()):
        await closings(servers, tick_id("nightly", MIDNIGHT, 0))
        clock.now = MIDNIGHT + timedelta(days=1) - timedelta(milliseconds=1)
        await closings(servers, tick_id("nightly", MIDNIGHT + timedelta(days=1), 1))
