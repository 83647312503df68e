"""Turns: connections go to those who ask first, and a burst of one kind of work leaves some to the other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from commander.domain.errors import Overloaded
from commander.eventstore import pool
from commander.eventstore.database import Database


@pytest_asyncio.fixture
async def background(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url, max_connections=2)
    yield opened
    await opened.close()


def operations_of(background: Database, *, waiting: int = 100, seconds: float = 60) -> Database:
    return background.share(1, max_waiting=waiting, max_wait_seconds=seconds)


async def until_waiting(database: Database, count: int) -> None:
    async with asyncio.timeout(20):
        while database.waiting != count:
            await asyncio.sleep(0)


async def test_those_who_ask_first_get_a_connection_first(background: Database) -> None:
    operations, served = operations_of(background), list[int]()

    async def ask(number: int) -> None:
        await operations.fetchval("select 1")
        served.append(number)

    async with asyncio.TaskGroup() as group, operations.connection():
        for number in range(20):
            group.create_task(ask(number))
        await until_waiting(operations, 20)
        assert not served
    assert served == list(range(20))


async def test_one_more_than_may_wait_is_overloaded_at_once(background: Database) -> None:
    operations = operations_of(background, waiting=2)
    async with operations.connection():
        waiting = [asyncio.create_task(operations.fetchval("select 1")) for _ in range(2)]
        await until_waiting(operations, 2)
        with pytest.raises(Overloaded, match="2 operations wait for a connection to Postgres") as caught:
            await operations.fetchval("select 1")
        with pytest.raises(Overloaded):
            operations.must_take_another()
    assert caught.value.retry_after_seconds == 5
    assert await asyncio.gather(*waiting) == [1, 1]
    operations.must_take_another()


async def test_whoever_waits_too_long_is_overloaded_and_leaves_its_place(background: Database) -> None:
    operations = operations_of(background, seconds=0.05)
    async with operations.connection():
        with pytest.raises(Overloaded, match=r"no connection to Postgres was free for 0.05 seconds"):
            await operations.fetchval("select 1")
    assert operations.waiting == 0
    assert await operations.fetchval("select 1") == 1


async def test_operations_and_subscriptions_leave_each_other_connections(background: Database) -> None:
    operations = operations_of(background)
    async with asyncio.timeout(20):
        async with operations.connection():
            assert await background.fetchval("select 1") == 1
        async with background.connection():
            assert await operations.fetchval("select 1") == 1


async def test_a_task_that_is_cancelled_while_it_waits_takes_no_turn(background: Database) -> None:
    operations = operations_of(background)
    async with operations.connection():
        waiting = asyncio.create_task(operations.fetchval("select 1"))
        await until_waiting(operations, 1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    async with asyncio.timeout(20):
        assert await operations.fetchval("select 1") == 1


async def test_without_a_share_a_task_waits_until_a_connection_is_free(database_url: str) -> None:
    database = Database(database_url, max_connections=1)
    async with database.connection():
        waiting = asyncio.create_task(database.fetchval("select 1"))
        await until_waiting(database, 1)
    assert await waiting == 1
    await database.close()


async def test_moments_in_which_the_process_could_not_run_are_no_outage(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "CONNECT_SECONDS", 1.0)
    database = Database(database_url)
    try:
        asking = asyncio.create_task(database.fetchval("select 1"))
        for _ in range(5):
            await asyncio.sleep(0.001)
        time.sleep(1.5)  # noqa: ASYNC251  # the loop of a process that cannot run
        assert await asking == 1
    finally:
        await database.close()
