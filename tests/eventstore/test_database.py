"""The database away: told as Unavailable, at once and without the password, and found again when back."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from uuid import uuid4

import asyncpg
import pytest

from commander.dev.embedded import EmbeddedPostgres, free_port
from commander.domain.errors import Trouble, Unavailable
from commander.eventstore.database import Database, without_password
from commander.eventstore.watching import watch_postgres
from tests.databases import EMPTYING


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:s3cret@127.0.0.1:PORT/bank",
        "postgresql://ada@127.0.0.1:PORT/bank?password=s3cret",
        "postgresql://ada:s3cret@/bank?host=/nowhere",
    ],
)
async def test_a_server_that_is_not_there_is_unavailable_and_its_password_is_not_told(url: str) -> None:
    database = Database(url.replace("PORT", str(free_port())))
    for attempt in (
        database.ping(),
        database.fetchval("select 1"),
        database.fetch("select 1"),
        database.fetchrow("select 1"),
        database.connect("test"),
    ):
        with pytest.raises(Unavailable, match="Postgres is unavailable: ") as caught:
            await attempt
        assert "s3cret" not in str(caught.value)
        assert caught.value.service == "Postgres"
    assert "s3cret" not in database.shown_url
    await database.close()


async def test_waiting_for_a_server_tells_why_once_without_the_password(
    caplog: pytest.LogCaptureFixture,
) -> None:
    url = f"postgresql://ada:s3cret@127.0.0.1:{free_port()}/bank"
    database = Database(url)
    with caplog.at_level(logging.WARNING):
        waiting = asyncio.create_task(database.until_reachable(retry_seconds=0))
        async with asyncio.timeout(10):
            while not caplog.records:
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)  # some more attempts
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    (record,) = caplog.records
    assert url.replace("ada:s3cret@", "") in record.getMessage()
    assert "Connect call failed" in record.getMessage()
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ada:s3cret@host:1/bank", "postgresql://host:1/bank"),
        ("postgresql://ada:s3/c@r:et@host/bank", "postgresql://host/bank"),
        ("postgresql://ada@host/bank?password=s3cret&x=1", "postgresql://host/bank?password=***&x=1"),
        ("postgresql://host/bank?x=1&sslpassword=s3cret", "postgresql://host/bank?x=1&sslpassword=***"),
        ("postgresql://postgres@/bank?host=%2Ftmp", "postgresql:///bank?host=%2Ftmp"),
        ("postgresql://a:b@one:1,two:2/bank", "postgresql://one:1,two:2/bank"),
        ("nats://t0ken@127.0.0.1:4222", "nats://127.0.0.1:4222"),
        ("nats://127.0.0.1:4222", "nats://127.0.0.1:4222"),
    ],
)
def test_a_url_is_shown_without_what_is_secret(url: str, shown: str) -> None:
    assert without_password(url) == shown


async def test_a_database_that_is_not_there_yet_is_waited_for(
    postgres: EmbeddedPostgres, postgres_admin: Database
) -> None:
    name = f"later_{uuid4().hex}"
    database = Database(postgres.url.replace(f"/{postgres.database}?", f"/{name}?"))
    with pytest.raises(Unavailable, match=f'database "{name}" does not exist'):
        await database.ping()
    waiting = asyncio.create_task(database.until_reachable(retry_seconds=0.01))
    await postgres_admin.fetch(f'create database "{name}"')
    async with asyncio.timeout(10):
        await waiting
    await database.close()
    await postgres_admin.fetch(f'drop database "{name}" with (force)')


async def test_a_server_that_does_not_answer_is_unavailable_in_time() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    database = Database(f"postgresql://ada@127.0.0.1:{port}/bank")
    with pytest.raises(Unavailable):
        await database.ping(timeout_seconds=0.1)
    await database.close()
    server.close()
    await server.wait_closed()


def name_of(database: Database) -> str:
    return database.url.split("?")[0].rpartition("/")[2]


async def kill_all(
    admin: Database, database: Database, application_name: str = "%", *, spared: str | None = EMPTYING
) -> int:
    sql = """select count(pg_terminate_backend(pid, 10000)) from pg_stat_activity
             where datname = $1 and application_name like $2 and application_name is distinct from $3"""
    return int(await admin.fetchval(sql, name_of(database), application_name, spared))


async def test_a_connection_that_has_broken_when_its_server_is_found_lost_is_unavailable(
    database: Database, postgres_admin: Database
) -> None:
    with pytest.raises(Unavailable):
        async with database.connection() as connection:
            sleeping = asyncio.create_task(connection.fetchval("select pg_sleep(60)"))
            await asyncio.sleep(0)
            assert await kill_all(postgres_admin, database) == 1
            await asyncio.wait((sleeping,), timeout=30)
            with suppress(asyncpg.InterfaceError):
                async with asyncio.timeout(30):
                    while True:  # until the pool has taken it back
                        connection.is_closed()
                        await asyncio.sleep(0.01)
            database.circuit.open(Trouble.AWAY, "it was killed")
            await sleeping


async def test_a_connection_that_breaks_in_use_is_unavailable_and_the_next_is_a_new_one(
    database: Database, postgres_admin: Database
) -> None:
    with pytest.raises(Unavailable):
        async with database.connection() as connection:
            assert await kill_all(postgres_admin, database) == 1
            await connection.fetchval("select 1")
    assert await database.fetchval("select 1") == 1


async def test_connections_that_were_ended_while_idle_are_not_given_out(
    database: Database, postgres_admin: Database
) -> None:
    async def kill_from_another_thread() -> int:
        admin = Database(postgres_admin.url)
        killed = await kill_all(admin, database)
        await admin.close()
        return killed

    await asyncio.gather(*(database.fetchval("select pg_sleep(0.01)") for _ in range(4)))
    with ThreadPoolExecutor() as threads:  # meanwhile this event loop notices nothing
        assert threads.submit(asyncio.run, kill_from_another_thread()).result(10) == 4
    assert await asyncio.gather(*(database.fetchval("select 1") for _ in range(8))) == [1] * 8


async def test_errors_of_a_statement_are_no_unavailability(database: Database) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        await database.fetch("select * from nothing")
    with pytest.raises(asyncpg.InterfaceError, match="the server expects 0 arguments"):
        await database.fetch("select 1", 5)
    assert await database.fetchval("select 1") == 1


async def is_down(database: Database, expected: bool) -> None:
    """Returns when the database is known to be down, or up."""
    async with asyncio.timeout(10):
        while True:
            try:
                database.must_be_up()
                down = False
            except Unavailable:
                down = True
            if down is expected:
                return
            await asyncio.sleep(0.005)


async def until_replaced(admin: Database, database: Database, application_name: str) -> None:
    """Ends a connection that watches, and returns when another one does. One that still begins is spared."""
    sql = """select count(*) from pg_stat_activity
             where datname = $1 and application_name = $2 and query like '%pg_is_in_recovery%'"""
    async with asyncio.timeout(10):
        while not await admin.fetchval(sql, name_of(database), application_name):
            await asyncio.sleep(0.005)
        await kill_all(admin, database, application_name)
        while not await admin.fetchval(sql, name_of(database), application_name):
            await asyncio.sleep(0.005)


async def test_one_who_watches_knows_at_once_when_the_server_goes_and_when_it_is_back(
    database: Database, postgres_admin: Database, caplog: pytest.LogCaptureFixture
) -> None:
    database.must_be_up()
    name = name_of(database)
    watching = asyncio.create_task(watch_postgres(database, retry_seconds=0.05))
    await until_replaced(postgres_admin, database, "commander watch")
    renamed = postgres_admin.fetch(f'alter database "{name}" rename to "{name}_away"')
    away = asyncio.ensure_future(
        renamed
    )  # it waits until nobody is connected, and nobody can connect meanwhile
    while not away.done():
        await kill_all(postgres_admin, database, spared=None)
    await away
    await is_down(database, True)
    with pytest.raises(Unavailable, match=f'database "{name}" does not exist'):
        database.must_be_up()
    await postgres_admin.fetch(f'alter database "{name}_away" rename to "{name}"')
    await is_down(database, False)
    assert caplog.messages[0].startswith("Postgres is refused since ")
    assert len(caplog.messages) == 2, "once that it is gone, once that it is back"
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching


async def test_the_loss_of_the_watching_connection_alone_is_no_loss_of_the_server(
    database: Database, postgres_admin: Database, caplog: pytest.LogCaptureFixture
) -> None:
    watching = asyncio.create_task(watch_postgres(database, retry_seconds=0.01))
    for _ in range(3):
        async with asyncio.TaskGroup() as tasks:
            replaced = tasks.create_task(until_replaced(postgres_admin, database, "commander watch"))
            while not replaced.done():
                database.must_be_up()
                await asyncio.sleep(0)
    assert caplog.messages == []
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching


async def test_a_refusal_is_told_from_an_outage(
    postgres: EmbeddedPostgres, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    for url, reason in (
        (database_url.replace("postgres@", "nobody@"), 'role "nobody" does not exist'),
        (database_url.replace("/test_", "/none_"), "does not exist"),
        (f"{database_url}&none=1", 'unrecognized configuration parameter "none"'),
    ):
        database = Database(url)
        for attempt in (database.ping, lambda connect=database.connect: connect("test")):
            with pytest.raises(Unavailable, match=f"it refuses this process: .*{reason}") as caught:
                await attempt()
            assert caught.value.trouble is Trouble.REFUSED
        watching = asyncio.create_task(watch_postgres(database))
        async with asyncio.timeout(10):
            while (outage := database.circuit.outage) is None:
                await asyncio.sleep(0.005)
        assert outage.trouble is Trouble.REFUSED
        watching.cancel()
        await database.close()
