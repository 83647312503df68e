"""The log in pages: whole, each event once, and read once for all who share it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from uuid import uuid4

import pytest
import pytest_asyncio

from commander.eventstore.audit import log_pages as pages_of_the_log
from commander.eventstore.audit.log_pages import LogEvent, Pages, SharedPages, log_pages
from commander.eventstore.database import Database
from commander.examples.bank import bank

MANY = 20_000
_FILL = f"""
alter table events disable trigger all;
insert into events (position, stream, version, type, schema_version, data, command_id, correlation_id,
                    recorded_at)
select n, 'account-' || n / 20, n % 20 + 1, 'MoneyDeposited', 1,
       '{{"account_id": "{uuid4()}", "amount": "1.00", "transfer_id": null}}',
       gen_random_uuid(), gen_random_uuid(), now()
from generate_series(1, {MANY}) as n where n not in (1, 777, {MANY})"""
THERE = [n for n in range(1, MANY + 1) if n not in (1, 777, MANY)]


@pytest_asyncio.fixture
async def log(database: Database) -> AsyncIterator[Database]:
    async with database.connection() as connection:
        await connection.execute(_FILL)
    yield database


async def events(pages: Pages, up_to: int) -> list[LogEvent]:
    found: list[LogEvent] = []
    last = 0
    async with aclosing(pages(up_to)) as log:
        async for page in log:
            found += page.events
            assert page.up_to >= last
            last = page.up_to
    assert last == up_to
    return found


@pytest.mark.parametrize("up_to", [0, 1, 5, 10_000, MANY])
async def test_all_events_come_in_order(log: Database, up_to: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages_of_the_log, "_RANGE", 3_000)
    found = await events(log_pages(log), up_to)
    assert [event.position for event in found] == [n for n in THERE if n <= up_to]
    assert all(event.instance(bank).amount == 1 for event in found[:10])


async def shared(log: Database, *ends: int) -> list[list[LogEvent]]:
    pages = SharedPages(log, len(ends))

    async def one(end: int) -> list[LogEvent]:
        with pages.seat() as own:
            return await events(own, end) if end >= 0 else []

    async with asyncio.TaskGroup() as group:
        group.create_task(pages.read())
        tasks = [group.create_task(one(end)) for end in ends]
    return [task.result() for task in tasks]


async def test_each_seat_has_its_part_and_the_same_events(log: Database) -> None:
    """One wants nothing, and one gives its seat up."""
    none, few, all_, gone = await shared(log, 0, 5_000, MANY, -1)
    assert none == gone == []
    assert [event.position for event in few] == [n for n in THERE if n <= 5_000]
    assert [event.position for event in all_] == THERE
    assert all(a is b for a, b in zip(few, all_, strict=False))
    assert few[0].instance(bank) is all_[0].instance(bank)


async def test_nobody_reads_if_nobody_wants_to(log: Database) -> None:
    assert await shared(log, -1, -1) == [[], []]


async def test_a_seat_reads_alone_when_it_reads_again(log: Database) -> None:
    pages = SharedPages(log, 1)
    async with asyncio.TaskGroup() as group:
        group.create_task(pages.read())
        with pages.seat() as own:
            assert len(await events(own, MANY)) == len(THERE)
            assert len(await events(own, 100)) == 99


async def test_memory_is_bounded_by_the_slowest(log: Database) -> None:
    """Who is fast is not further ahead than one page that waits and one that is given."""
    pages = SharedPages(log, 2)
    ahead = most = 0

    async def fast() -> None:
        nonlocal ahead, most
        with pages.seat() as own:
            async with aclosing(own(MANY)) as log_:
                async for _ in log_:
                    ahead += 1
                    most = max(most, ahead)

    async def slow() -> None:
        nonlocal ahead
        with pages.seat() as own:
            async with aclosing(own(MANY)) as log_:
                async for _ in log_:
                    for _turn in range(50):
                        await asyncio.sleep(0)
                    ahead -= 1

    async with asyncio.TaskGroup() as group:
        group.create_task(pages.read())
        group.create_task(fast())
        group.create_task(slow())
    assert 0 < most <= 3


async def test_who_stops_early_or_fails_stops_nobody(log: Database) -> None:
    pages = SharedPages(log, 2)

    async def fails() -> None:
        with pages.seat() as own:
            async with aclosing(own(MANY)) as log_:
                async for _ in log_:
                    return

    async with asyncio.TaskGroup() as group:
        group.create_task(pages.read())
        group.create_task(fails())
        with pages.seat() as own:
            assert len(await events(own, MANY)) == len(THERE)
