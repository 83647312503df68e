"""Behind PgBouncer: in session mode everything works, and in transaction mode nothing begins."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from asyncpg import connect

from commander.dev.embedded import EmbeddedNats
from commander.domain.errors import Trouble, Unavailable
from commander.eventstore.database import Database
from commander.eventstore.locks import Lock, try_lock
from commander.eventstore.poolers import NotASession
from tests.e2e.bank import apply, opened
from tests.e2e.gateways import pgbouncer
from tests.e2e.parts import Parts

ALL_DIFFERENT = {"server_round_robin": 1}
"""PgBouncer gives out the session that was idle for longest, not the one that was used last."""


async def test_in_session_mode_every_part_works(
    database_url: str, nats_server: EmbeddedNats, tmp_path: Path
) -> None:
    async with pgbouncer(tmp_path, database_url, "session", default_pool_size=90) as url:
        with Parts(url, nats_server.url, tmp_path) as parts:
            names = ("api", "processor", "relay", "projections", "reactors")
            api, *_ = await asyncio.to_thread(parts.start, *names)
            account = await asyncio.to_thread(opened, api)
            deposit = {"accountId": account, "amount": "1.00"}
            await asyncio.to_thread(apply, api, "deposit", deposit, wait="PROJECTED")


@pytest.mark.parametrize("options", [{}, ALL_DIFFERENT], ids=["last used first", "round robin"])
async def test_in_transaction_mode_no_lock_is_taken(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, object]
) -> None:
    monkeypatch.setattr("commander.eventstore.poolers._NOTIFY_SECONDS", 0.5)
    async with pgbouncer(tmp_path, database_url, "transaction", **options) as url:
        if options:  # so that there are several to be given out
            others = [await connect(url, statement_cache_size=0) for _ in range(3)]
            await asyncio.gather(*(other.execute("select pg_sleep(0.2)") for other in others))
        database = Database(url)
        with pytest.raises(NotASession, match="set pool_mode to session, or give COMMANDER_POSTGRES_URL"):
            await database.connect("test")
        with pytest.raises(NotASession):
            await database.must_have_sessions()
        await database.close()


async def test_each_part_ends_with_one_sentence_in_transaction_mode(
    database_url: str, nats_server: EmbeddedNats, tmp_path: Path
) -> None:
    async with pgbouncer(tmp_path, database_url, "transaction") as url:
        with Parts(url, nats_server.url, tmp_path) as parts:
            [api] = await asyncio.to_thread(parts.start, "api", ready=False)
            assert await asyncio.to_thread(api.process.process.wait, 20) != 0
            assert api.process.lines("a pooler, such as PgBouncer, shares sessions")
            assert not api.process.lines("Traceback"), api.process.log.read_text()


async def test_a_lock_is_not_taken_in_another_session_than_the_connection_began_with(
    database: Database,
) -> None:
    connection = await database.connect("test")
    assert await try_lock(connection, Lock.RELAY)
    connection.backend_pid += 1  # type: ignore[attr-defined]  # as if a pooler had changed it since
    with pytest.raises(NotASession):
        await try_lock(connection, Lock.RELAY, 2)
    connection.terminate()


async def test_a_refusal_of_the_pooler_is_no_outage(database_url: str, tmp_path: Path) -> None:
    async with pgbouncer(tmp_path, database_url, "session") as url:
        for refused in (f"{url}?search_path=public", url.replace("/test_", "/none_")):
            database = Database(refused)
            with pytest.raises(Unavailable) as caught:
                await database.ping()
            assert caught.value.trouble is Trouble.REFUSED, caught.value
            await database.close()
