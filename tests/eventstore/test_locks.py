"""Advisory locks: one holder at a time, for as long as its connection lives, and members of a group."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from commander.domain.errors import Unavailable
from commander.eventstore.database import Connection, Database
from commander.eventstore.locks import Lock, join, lock_key, sole_holder, try_lock, unlock
from commander.eventstore.sharing import read_sharing


async def members(connection: Connection) -> int:
    """How many sessions share the lock of the processors."""
    group = ("commander processor", (Lock.PROCESSORS, 0), Lock.PARTITION, range(8))
    return len((await read_sharing(connection, *group)).members)


@asynccontextmanager
async def connections(database: Database, count: int) -> AsyncIterator[list[Connection]]:
    made = [await database.connect("test") for _ in range(count)]
    try:
        yield made
    finally:
        for connection in made:
            connection.terminate()


async def until_taken(connection: Connection, lock: Lock, key: int = 0) -> None:
    """A lock is free a moment after its connection is gone; the server has to notice first."""
    async with asyncio.timeout(10):
        while not await try_lock(connection, lock, key):
            await asyncio.sleep(0.005)


async def test_a_lock_has_one_holder_and_other_locks_and_keys_are_free(database: Database) -> None:
    async with connections(database, 2) as (one, two):
        assert await try_lock(one, Lock.PARTITION, 3)
        assert not await try_lock(two, Lock.PARTITION, 3)
        assert await try_lock(two, Lock.PARTITION, 4)
        assert await try_lock(two, Lock.REACTOR, 3)
        await unlock(one, Lock.PARTITION, 3)
        assert await try_lock(two, Lock.PARTITION, 3)


async def test_a_lock_of_one_database_is_none_of_another(
    database: Database, postgres_admin: Database
) -> None:
    async with connections(database, 1) as (one,), connections(postgres_admin, 1) as (other,):
        assert await try_lock(one, Lock.RELAY)
        assert await try_lock(other, Lock.RELAY)
        await join(one, Lock.PROCESSORS)
        await join(other, Lock.PROCESSORS)
        assert await members(one) == 1


@pytest.mark.parametrize("ending", ["close", "terminate", "killed by the server"])
async def test_a_lock_is_gone_with_its_connection(database: Database, ending: str) -> None:
    async with connections(database, 2) as (one, two):
        assert await try_lock(one, Lock.RELAY)
        if ending == "close":
            await one.close()
        elif ending == "terminate":
            one.terminate()
        else:
            await two.execute("select pg_terminate_backend($1)", one.get_server_pid())
        await until_taken(two, Lock.RELAY)
        with pytest.raises(Unavailable):
            await try_lock(one, Lock.RELAY)


async def test_the_sole_holder_hands_over_when_it_leaves(database: Database) -> None:
    async def hold(name: str, entered: asyncio.Event, leave: asyncio.Event) -> object:
        async with sole_holder(database, Lock.RELAY, 1, name, retry_seconds=0.01) as connection:
            entered.set()
            await leave.wait()
            return await connection.fetchval(
                """select count(*) from pg_locks
                   where locktype = 'advisory' and pid = pg_backend_pid() and classid = $1""",
                int(Lock.RELAY),
            )

    events = [(asyncio.Event(), asyncio.Event()) for _ in range(2)]
    (first_in, first_out), (second_in, second_out) = events
    async with asyncio.timeout(10):
        first = asyncio.create_task(hold("first", first_in, first_out))
        await first_in.wait()
        second = asyncio.create_task(hold("second", second_in, second_out))
        await until_connected(database, "second")
        assert not second_in.is_set()
        first_out.set()
        assert await first == 1
        await second_in.wait()
        second_out.set()
        assert await second == 1


async def until_connected(database: Database, application_name: str) -> None:
    sql = "select count(*) from pg_stat_activity where application_name = $1 and query like '%advisory%'"
    async with asyncio.timeout(10):
        while not await database.fetchval(sql, application_name):
            await asyncio.sleep(0.005)


async def test_one_who_waits_and_is_cancelled_leaves_no_connection(database: Database) -> None:
    async with sole_holder(database, Lock.RELAY, 1, "holder"):

        async def wait() -> None:
            async with sole_holder(database, Lock.RELAY, 1, "waiter", retry_seconds=0.01):
                raise AssertionError("it is held")

        task = asyncio.create_task(wait())
        await until_connected(database, "waiter")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        sql = "select count(*) from pg_stat_activity where application_name = 'waiter'"
        async with asyncio.timeout(10):
            while await database.fetchval(sql):
                await asyncio.sleep(0.005)


async def test_members_are_counted_as_they_come_and_go(database: Database) -> None:
    async with connections(database, 4) as (watcher, *others):
        assert await members(watcher) == 0
        for count, connection in enumerate(others, 1):
            await join(connection, Lock.PROCESSORS)
            assert await members(watcher) == count
        assert await try_lock(watcher, Lock.PARTITION, 0), "another lock, which counts for nothing"
        assert await members(watcher) == 3
        others[0].terminate()
        async with asyncio.timeout(10):
            while await members(watcher) != 2:
                await asyncio.sleep(0.005)


async def test_a_name_is_a_key_that_postgres_takes(database: Database) -> None:
    names = [f"projection_{n}" for n in range(200)] + ["", "ü"]
    keys = [lock_key(name) for name in names]
    assert len(set(keys)) == len(names)
    assert min(keys) < 0 < max(keys), "the whole range of 32 bits is used"
    async with connections(database, 1) as (connection,):
        for key in (min(keys), max(keys)):
            assert await try_lock(connection, Lock.PROJECTION, key)
