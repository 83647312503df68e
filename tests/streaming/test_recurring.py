"""What recurs comes once per tick, whoever sets it and however often; the tests move the clock."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec import Raw

from commander import Domain
from commander.eventstore.records import SubmittedCommand
from commander.streaming.commands.assembling import tick_id
from commander.streaming.commands.messages import scheduled_subject
from commander.streaming.nats.streams import ensure_streams
from commander.streaming.reactors.recurring import Ticker
from tests.names import NAMES
from tests.placed import Placed
from tests.streaming.conftest import Bank, running
from tests.streaming.ledger import YEARLY, ledger

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


def ticker(servers: Bank, clock: Clock, domain: Domain = books) -> Ticker:
    return Ticker(domain, servers.database, servers.nats, servers.submitter, now=clock)


async def next_set(servers: Bank, one: Ticker) -> datetime:
    """Sets the next ticks, as a holder of the lock does."""
    connection = await servers.database.connect("a holder of the lock")
    try:
        return await one.set_next(connection)
    finally:
        connection.terminate()


async def scheduled(servers: Bank) -> set[str]:
    """The subjects of what is set ahead."""
    info = await servers.nats.jetstream.stream_info("COMMANDS", subjects_filter="commands.scheduled.>")
    return set(info.state.subjects or {})


def subjects(tick: datetime, count: int, name: str = "nightly") -> set[str]:
    """The subjects of the commands of a tick."""
    ids = [tick_id(name, tick, n) for n in range(count)]
    return {scheduled_subject(NAMES, one, one) for one in ids}


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
                for one in (ticker(servers, clock) for _ in range(2)):
                    assert await next_set(servers, one) <= tick
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
        await next_set(servers, ticker(servers, Clock(far)))
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
    failing = ticker(servers, clock)
    async with running(servers.processor(books).run()):
        for _ in range(2):
            await next_set(servers, failing)
        assert failing.failures == {"on_the_second": Placed("RuntimeError: not in February")}
        tick = datetime(2020, 2, 2, tzinfo=UTC)
        assert ("sales", tick) in await closings(servers, tick_id("nightly", tick, 1))
        clock.now = datetime(2020, 3, 1, 23, 59, tzinfo=UTC)
        await next_set(servers, failing)
        third = datetime(2020, 3, 2, tzinfo=UTC)
        assert ("second", third) in await closings(servers, tick_id("on_the_second", third, 0))
    assert failing.failures == {}
    assert len([r for r in caplog.records if "not in February" in r.message]) == 1


async def test_it_looks_again_when_the_clock_says_so(servers: Bank) -> None:
    clock = Clock(MIDNIGHT - timedelta(milliseconds=1))
    async with running(servers.processor(books).run()), running(ticker(servers, clock).run()):
        await closings(servers, tick_id("nightly", MIDNIGHT, 0))
        clock.now = MIDNIGHT + timedelta(days=1) - timedelta(milliseconds=1)
        await closings(servers, tick_id("nightly", MIDNIGHT + timedelta(days=1), 1))


FAR = datetime(2099, 6, 1, 12, tzinfo=UTC)
NIGHT, NEW_YEAR = datetime(2099, 6, 2, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (ledger(), subjects(NIGHT, 2)),
        (ledger(YEARLY), subjects(NEW_YEAR, 2)),
        (ledger(books=("sales",)), subjects(NIGHT, 1)),
        (ledger(None), set()),
        (ledger(name="each_night"), subjects(NIGHT, 2, "each_night")),
    ],
    ids=["as before", "another cron", "other commands", "removed", "renamed"],
)
async def test_whoever_has_other_code_replaces_what_was_set_ahead(
    servers: Bank, code: Domain, expected: set[str]
) -> None:
    clock = Clock(FAR)
    await next_set(servers, ticker(servers, clock, ledger()))
    assert await scheduled(servers) == subjects(NIGHT, 2)
    for _ in range(2):
        await next_set(servers, ticker(servers, clock, code))
        assert await scheduled(servers) == expected


async def test_of_two_versions_side_by_side_the_one_that_began_goes_on_until_it_ends(servers: Bank) -> None:
    clock = Clock(FAR)
    old, new = ticker(servers, clock, ledger()), ticker(servers, clock, ledger(YEARLY))
    async with asyncio.timeout(20):
        async with running(old.run()):
            while await scheduled(servers) != subjects(NIGHT, 2):
                await asyncio.sleep(0.02)
            async with running(new.run()):
                while not await servers.database.fetchval(
                    "select count(*) > 1 from pg_stat_activity where application_name = 'commander recurring'"
                ):
                    await asyncio.sleep(0.02)
                await next_set(servers, old)
                assert await scheduled(servers) == subjects(NIGHT, 2)
        async with running(new.run()):
            while await scheduled(servers) != subjects(NEW_YEAR, 2):
                await asyncio.sleep(0.02)


async def test_a_tick_that_is_due_stays_whatever_code_comes(servers: Bank) -> None:
    clock = Clock(datetime.now(UTC) - timedelta(days=1))
    domain = ledger("* * * * *")
    due = domain.recurring["nightly"].cron.next_after(clock.now)
    await next_set(servers, ticker(servers, clock, domain))
    clock.now = due + timedelta(seconds=1)
    await next_set(servers, ticker(servers, clock, ledger(YEARLY)))
    async with running(servers.processor(domain).run()):
        assert (await servers.outcome(tick_id("nightly", due, 0))).status == "APPLIED"


async def test_what_the_broker_has_lost_is_set_again_and_decided_once(servers: Bank) -> None:
    clock = Clock(MIDNIGHT - timedelta(seconds=1))
    one = ticker(servers, clock)
    async with running(servers.processor(books).run()):
        await next_set(servers, one)
        assert len(await closings(servers, *(tick_id("nightly", MIDNIGHT, n) for n in (0, 1)))) == 3
    clock.now = FAR
    await next_set(servers, one)
    before = await scheduled(servers)
    await servers.nats.jetstream.delete_stream("COMMANDS")
    await ensure_streams(servers.nats, 1)
    assert await scheduled(servers) == set()
    await next_set(servers, one)
    assert await scheduled(servers) == before
    clock.now = MIDNIGHT - timedelta(seconds=1)
    await next_set(servers, ticker(servers, clock))
    async with running(servers.processor(books).run()):
        await servers.submit(CloseBooks("last", MIDNIGHT), books)
        async with asyncio.timeout(10):
            while (log := await servers.log())[-1].stream != "book-last":
                await asyncio.sleep(0.02)
    assert len(log) == 4, "each tick was decided once"


async def test_what_an_earlier_version_has_set_ahead_is_taken_back_too(servers: Bank) -> None:
    clock = Clock(FAR)
    await next_set(servers, ticker(servers, clock, ledger()))
    await servers.database.fetch("delete from recurring")  # that version stored nothing
    claimed = SubmittedCommand(
        uuid4(), "CloseBooks", "book-x", Raw(b"{}"), uuid4(), FAR, actor="every nightly", not_before=NIGHT
    )
    await servers.submitter.submit(claimed)
    await next_set(servers, ticker(servers, clock, ledger(YEARLY)))
    other = scheduled_subject(NAMES, claimed.command_id, claimed.correlation_id)
    assert await scheduled(servers) == subjects(NEW_YEAR, 2) | {other}, "a client's command stays"
