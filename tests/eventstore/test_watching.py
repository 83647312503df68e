"""A Postgres that is silent, read-only or a standby is found out, and nothing else is taken for that."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from commander.dev.embedded import EmbeddedPostgres
from commander.domain.errors import Trouble, Unavailable
from commander.eventstore import circuits
from commander.eventstore.database import Connection, Database
from commander.eventstore.watching import watch_postgres
from tests.clusters import Clusters
from tests.eventstore.test_database import name_of

BOUND_SECONDS = 2.0
SLACK_SECONDS = 8.0


class StallingProxy:
    """Stands before a Postgres on a Unix socket, and can stop forwarding.

    refusing: how many connections it is about to refuse.
    """

    def __init__(self, target: str, directory: Path) -> None:
        self._target = target
        self._directory = directory
        self._going = asyncio.Event()
        self._going.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.refusing = 0

    async def __aenter__(self) -> StallingProxy:
        path = str(self._directory / ".s.PGSQL.5432")
        self._server = await asyncio.start_unix_server(self._connected, path)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def stall(self) -> None:
        self._going.clear()

    def mend(self) -> None:
        """New connections are forwarded. Those that were stalled stay so."""
        self._going = asyncio.Event()
        self._going.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            self.refusing -= 1
            writer.transport.abort()
            return
        going = self._going
        inner, outer = await asyncio.open_unix_connection(self._target)
        for source, target in ((reader, outer), (inner, writer)):
            task = asyncio.create_task(_passed(source, target, going))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


async def _passed(source: asyncio.StreamReader, target: asyncio.StreamWriter, going: asyncio.Event) -> None:
    try:
        with suppress(OSError):
            while data := await source.read(64 * 1024):
                await going.wait()
                target.write(data)
        await going.wait()
    finally:
        target.transport.abort()


@asynccontextmanager
async def watching(database: Database) -> AsyncIterator[None]:
    """From entering on, the circuit is kept; it is known that the server answers."""
    task = asyncio.create_task(watch_postgres(database, retry_seconds=0.05))
    try:
        await until(lambda: database.circuit.answers)
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Any) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.005)


def trouble_of(database: Database) -> Trouble | None:
    outage = database.circuit.outage
    return None if outage is None else outage.trouble


@pytest_asyncio.fixture
async def stalling(database_url: str, tmp_path: Path) -> AsyncIterator[tuple[StallingProxy, Database]]:
    host = database_url.rpartition("host=")[2].replace("%2F", "/")
    async with StallingProxy(f"{host}/.s.PGSQL.5432", tmp_path) as proxy:
        database = Database(f"{database_url.rpartition('host=')[0]}host={tmp_path}", max_connections=2)
        yield proxy, database
        await database.close()


async def test_a_silent_server_ends_what_waits_and_refuses_what_comes(
    stalling: tuple[StallingProxy, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circuits, "_LOST_TICKS", 8)  # so that a dead connection is replaced soon
    proxy, database = stalling
    loop = asyncio.get_running_loop()

    async def ended(work: Coroutine[Any, Any, Any]) -> float:
        began = loop.time()
        with pytest.raises(Unavailable, match=r"silent since .* it does not answer") as caught:
            await work
        assert caught.value.trouble is Trouble.SILENT
        return loop.time() - began

    async with watching(database):
        assert await database.fetchval("select 1") == 1
        proxy.stall()
        ends = await asyncio.gather(*(ended(database.fetchval("select 1")) for _ in range(6)))
        assert max(ends) < BOUND_SECONDS + SLACK_SECONDS, "also those that wait for a connection"
        assert await ended(database.fetchval("select 1")) < 1, "later ones are refused at once"
        proxy.mend()
        await until(lambda: trouble_of(database) is None)
        assert await database.fetchval("select 1") == 1, "not over a connection that is dead"


async def test_one_refused_connection_of_the_watch_is_no_outage(
    stalling: tuple[StallingProxy, Database], postgres_admin: Database
) -> None:
    proxy, database = stalling
    opened: list[str] = []
    database.circuit.on_open(lambda outage: opened.append(outage.reason))

    async def watch_ends(refused: int) -> None:
        proxy.refusing = refused
        ended = """select pg_terminate_backend(pid) from pg_stat_activity
                   where application_name = 'commander watch' and datname = $1"""
        assert await postgres_admin.fetchval(ended, name_of(database))
        await until(lambda: proxy.refusing == 0)
        await until(lambda: database.circuit.answers)

    async with watching(database):
        await watch_ends(1)
        await watched_again(postgres_admin, database)
        assert opened == []
        await watch_ends(2)
        await until(lambda: opened)  # a server that refuses twice is lost


async def test_a_connection_that_comes_as_the_watch_ends_is_closed(database: Database) -> None:
    made = list[Connection]()

    async def connect() -> Connection:
        made.append(await database.connect_without_locks("the last"))
        probing.cancel()
        return made[0]

    probing = asyncio.create_task(database.circuit.probe(connect(), Connection.terminate))
    with pytest.raises(asyncio.CancelledError):
        await probing
    await until(made[0].is_closed)


async def watched_again(admin: Database, database: Database) -> None:
    sessions = (
        "select count(*) from pg_stat_activity where application_name = 'commander watch' and datname = $1"
    )
    async with asyncio.timeout(30):
        while await admin.fetchval(sessions, name_of(database)) != 1:
            await asyncio.sleep(0.01)


async def test_a_new_connection_to_a_postmaster_that_is_paused_takes_two_seconds(clusters: Clusters) -> None:
    """Its sessions live, so the watch finds nothing wrong."""
    server = EmbeddedPostgres(clusters.copy("paused"))
    await server.start()
    database, loop = Database(server.url, max_connections=2), asyncio.get_running_loop()
    assert server.process is not None
    try:
        async with watching(database), database.connection() as open_before:
            server.process.send_signal(signal.SIGSTOP)
            began = loop.time()
            with pytest.raises(Unavailable, match="no new connection within 2 seconds"):
                await database.fetchval("select 1")
            assert loop.time() - began < BOUND_SECONDS + SLACK_SECONDS
            assert await open_before.fetchval("select 1") == 1
            assert trouble_of(database) is None
            server.process.send_signal(signal.SIGCONT)
            assert await database.fetchval("select 1") == 1
    finally:
        server.process.send_signal(signal.SIGCONT)
        await database.close()
        await server.stop()


async def test_our_own_burst_and_a_loop_that_cannot_run_are_no_silence(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async with watching(database):
        burst = [asyncio.create_task(database.fetchval("select pg_sleep(0.1)")) for _ in range(100)]
        await asyncio.sleep(0.1)  # the probe is under way now and then
        time.sleep(BOUND_SECONDS + 0.5)  # noqa: ASYNC251  # the loop of a process that cannot run
        assert await asyncio.gather(*burst) == [None] * 100
        assert trouble_of(database) is None
    assert caplog.messages == []


async def test_a_default_of_the_database_that_forbids_writes_is_found_by_a_failed_write(
    database: Database, postgres_admin: Database
) -> None:
    database_name = name_of(database)
    async with watching(database):
        await postgres_admin.fetch(f'alter database "{database_name}" set default_transaction_read_only = on')
        await database.renew()  # sessions keep what they began with, also that of the watch
        assert trouble_of(database) is None
        with pytest.raises(Unavailable, match="read-only transaction"):
            await database.fetch("create table anything (x int)")
        assert trouble_of(database) is Trouble.READ_ONLY
        failed_at = asyncio.get_running_loop().time()
        await until(lambda: asyncio.get_running_loop().time() > failed_at + 2.5)  # it is not believed so long
        with pytest.raises(Unavailable, match="read-only since"):
            database.circuit.must_write()
        database.circuit.must_answer()
        assert await database.fetchval("select 1") == 1
        await postgres_admin.fetch(f'alter database "{database_name}" reset default_transaction_read_only')
        await until(lambda: trouble_of(database) is None)
        await database.fetch("create table anything (x int)")
        assert trouble_of(database) is None


async def test_a_standby_is_read_only_until_it_is_promoted(clusters: Clusters) -> None:
    server = EmbeddedPostgres(clusters.copy("standby"))
    server.database = "postgres"  # the one that is there: a standby can make none
    (server.data_dir / "postgres" / "standby.signal").touch()
    await server.start()
    database = Database(server.url)
    try:
        async with watching(database):
            await until(lambda: trouble_of(database) is Trouble.READ_ONLY)
            with pytest.raises(Unavailable, match=r"read-only since .*standby"):
                database.circuit.must_write()
            await database.fetchval("select pg_promote()")
            await until(lambda: trouble_of(database) is None)
    finally:
        await database.close()
        await server.stop()
