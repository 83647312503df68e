"""A process that falls silent loses its sessions with locks, whatever they are doing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest
import pytest_asyncio

from commander.domain.errors import Unavailable
from commander.eventstore.database import Connection, Database
from commander.eventstore.locks import Lock, sole_holder, try_lock
from commander.eventstore.presence import PRESENCES, Presence
from commander.eventstore.sessions import begin_session

SILENT_SECONDS = 1.0


@pytest_asyncio.fixture
async def silent(database_url: str) -> AsyncIterator[Database]:
    """A process that says nothing after the first word, as one that is stopped."""
    presence = Presence(database_url, pause_seconds=3600, silent_seconds=SILENT_SECONDS)
    opened = Database(database_url, presence=presence)
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def other(database_url: str) -> AsyncIterator[Database]:
    """Another process, which looks for silent ones."""
    opened = Database(
        database_url, presence=Presence(database_url, pause_seconds=0.1, silent_seconds=SILENT_SECONDS)
    )
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
    silent: Database, other: Database, state: Callable[[Connection], Awaitable[None]]
) -> None:
    lost = await silent.connect("lost")
    assert await try_lock(lost, Lock.RELAY)
    await state(lost)
    async with (
        asyncio.timeout(10 * SILENT_SECONDS),
        sole_holder(other, Lock.RELAY, 0, "next", retry_seconds=0.05) as holder,
        holder.transaction(),
    ):
        await holder.execute("select from log_lock for update")
    for copying in _copies:
        copying.cancel()
    _copies.clear()
    with pytest.raises(Unavailable):
        await try_lock(lost, Lock.RELAY)


async def test_a_process_that_speaks_keeps_its_locks_although_its_event_loop_is_blocked(
    other: Database, database_url: str
) -> None:
    speaking = Presence(database_url, pause_seconds=0.2, silent_seconds=2 * SILENT_SECONDS)
    blocked = Database(database_url, presence=speaking)
    async with (
        sole_holder(blocked, Lock.RELAY, 0, "holder") as holder,
        sole_holder(other, Lock.RECURRING, 0, "other"),
    ):
        until = asyncio.get_running_loop().time() + 3.5 * SILENT_SECONDS
        while asyncio.get_running_loop().time() < until:
            sum(range(10_000))
        assert await holder.fetchval("select 1") == 1
    await blocked.close()


async def test_a_presence_that_has_just_begun_ends_nobody(silent: Database, database: Database) -> None:
    """Postgres may have been stopped for a while: then all others have to begin again too."""
    lost = await silent.connect("lost")
    looks = "select query_start from pg_stat_activity where pid = $1"
    async with sole_holder(database, Lock.RECURRING, 0, "new") as new:
        async with asyncio.timeout(10):
            while len(pids := await presences(new)) > 1:
                await asyncio.sleep(0.02)
            seen = {await new.fetchval(looks, *pids)}
            while len(seen) < 4:
                await asyncio.sleep(0.02)
                seen.add(await new.fetchval(looks, *pids))
        assert await lost.fetchval("select 1") == 1
    lost.terminate()


async def test_a_presence_that_is_lost_alone_comes_back_and_nothing_is_ended(
    database: Database, other: Database
) -> None:
    async with (
        sole_holder(database, Lock.RELAY, 0, "holder") as holder,
        sole_holder(other, Lock.RECURRING, 0, "other") as looking,
    ):
        before = await presences(looking)
        assert len(before) == 2
        await looking.execute("select pg_terminate_backend(pid) from unnest($1::int[]) as pid", before)
        async with asyncio.timeout(10):
            while len(await presences(looking) - before) < 2:
                await asyncio.sleep(0.02)
        assert await holder.fetchval("select 1") == 1


async def presences(connection: Connection) -> set[int]:
    """The sessions that are presences in this database."""
    rows = await connection.fetch(
        """select pid from pg_locks where classid = $1 and granted
             and database = (select oid from pg_database where datname = current_database())""",
        PRESENCES,
    )
    return {row["pid"] for row in rows}


async def test_a_presence_outlives_any_error_of_the_driver(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[Exception] = [asyncpg.InternalClientError("cannot switch to state 12"), RuntimeError("x")]

    async def begin(connection: Connection) -> None:
        if errors:
            raise errors.pop()
        await begin_session(connection)

    monkeypatch.setattr("commander.eventstore.presence.begin_session", begin)
    presence = Presence(database_url, pause_seconds=0.1)
    opened = Database(database_url, presence=presence)
    async with sole_holder(opened, Lock.RELAY, 0, "a test"):
        assert errors == []
    await opened.close()
