"""A process that falls silent loses its sessions with locks, whatever they are doing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from commander.domain.errors import Unavailable
from commander.eventstore.database import Connection, Database
from commander.eventstore.locks import Lock, sole_holder, try_lock
from commander.eventstore.presence import PRESENCES, Presence

SILENT_SECONDS = 1.0


@pytest_asyncio.fixture
async def silent(database_url: str) -> AsyncIterator[Database]:
    """A process that says nothing after the first word, as one that is stopped."""
    presence = Presence(database_url, pause_seconds=3600, silent_seconds=SILENT_SECONDS)
    opened = Database(database_url, presence=presence)
    yield opened
    await opened.close()


async def idle(_: Connection) -> None:
    """It does nothing."""


async def in_a_transaction(connection: Connection) -> None:
    await connection.execute("begin")
    await connection.execute("select from log_lock for update")


async def in_the_middle_of_a_copy(connection: Connection) -> None:
    await connection.execute("create temporary table copied (n int)")
    began = asyncio.Event()

    async def lines() -> AsyncIterator[bytes]:
        yield b"1\n"
        began.set()
        await asyncio.Event().wait()
        yield b"2\n"

    copying = asyncio.create_task(connection.copy_to_table("copied", source=lines()))
    await began.wait()
    _copies.append(copying)


_copies: list[asyncio.Task[str]] = []


@pytest.mark.parametrize("state", [idle, in_a_transaction, in_the_middle_of_a_copy])
async def test_its_locks_are_taken_over_within_seconds(
    silent: Database, database: Database, state: Callable[[Connection], Awaitable[None]]
) -> None:
    lost = await silent.connect("lost")
    assert await try_lock(lost, Lock.RELAY)
    await state(lost)
    async with (
        asyncio.timeout(10 * SILENT_SECONDS),
        sole_holder(database, Lock.RELAY, 0, "next", retry_seconds=0.05) as holder,
        holder.transaction(),
    ):
        await holder.execute("select from log_lock for update")
    for copying in _copies:
        copying.cancel()
    _copies.clear()
    with pytest.raises(Unavailable):
        await try_lock(lost, Lock.RELAY)


async def test_a_process_that_speaks_keeps_its_locks_although_its_event_loop_is_blocked(
    database: Database, database_url: str
) -> None:
    speaking = Presence(database_url, pause_seconds=0.2, silent_seconds=2 * SILENT_SECONDS)
    blocked = Database(database_url, presence=speaking)
    async with (
        sole_holder(blocked, Lock.RELAY, 0, "holder") as holder,
        sole_holder(database, Lock.RECURRING, 0, "other"),
    ):
        until = asyncio.get_running_loop().time() + 3.5 * SILENT_SECONDS
        while asyncio.get_running_loop().time() < until:
            sum(range(10_000))
        assert await holder.fetchval("select 1") == 1
    await blocked.close()


async def test_a_presence_that_is_lost_alone_comes_back_and_nothing_is_ended(
    database: Database, database_url: str
) -> None:
    other = Database(database_url)
    async with (
        sole_holder(database, Lock.RELAY, 0, "holder") as holder,
        sole_holder(other, Lock.RECURRING, 0, "other") as looking,
    ):
        pids = "select array_agg(pid) from pg_locks where classid = $1 and granted"
        before = set(await looking.fetchval(pids, PRESENCES))
        await looking.execute("select pg_terminate_backend(pid) from unnest($1::int[]) as pid", before)
        async with asyncio.timeout(10):
            while len(set(await looking.fetchval(pids, PRESENCES) or ()) - before) < 2:
                await asyncio.sleep(0.02)
        assert await holder.fetchval("select 1") == 1
    await other.close()
