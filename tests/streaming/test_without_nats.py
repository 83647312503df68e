"""A part that has lost NATS, and not Postgres, leaves its work to one that can do it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from commander.dev.embedded import EmbeddedNats
from commander.eventstore.database import Connection, Database
from commander.examples.bank import bank
from commander.streaming.commands.submitting import Submitter
from commander.streaming.log.relay import Relay
from commander.streaming.nats.connection import Nats
from commander.streaming.reactors.reacting import ReactorRunner
from commander.streaming.reactors.recurring import Ticker
from tests.names import NAMES
from tests.streaming.conftest import running

Run = Callable[[Database, Nats], Coroutine[Any, Any, None]]


class Recorded(Database):
    """Says who wanted a lock."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.applications: list[str] = []

    async def connect(self, application_name: str, *, durable: bool = True) -> Connection:
        self.applications.append(application_name)
        return await super().connect(application_name, durable=durable)


def relay(database: Database, nats: Nats) -> Coroutine[Any, Any, None]:
    return Relay(database, nats).run()


def reactor(database: Database, nats: Nats) -> Coroutine[Any, Any, None]:
    return ReactorRunner(bank, database, nats, Submitter(nats, 8), bank.reactors["transfers"]).run()


def ticker(database: Database, nats: Nats) -> Coroutine[Any, Any, None]:
    return Ticker(bank, database, nats, Submitter(nats, 8)).run()


@pytest.mark.parametrize("run", [relay, reactor, ticker])
async def test_it_takes_no_lock(database_url: str, run: Run, caplog: pytest.LogCaptureFixture) -> None:
    database = Recorded(database_url)
    async with running(run(database, Nats("nats://127.0.0.1:1", NAMES))), asyncio.timeout(10):
        while "NATS is unavailable" not in caplog.text:
            await asyncio.sleep(0.01)
    assert database.applications == []
    await database.close()


async def test_each_connection_to_nats_has_limits_for_silence_the_next_one_too(
    nats_server: EmbeddedNats, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited: list[Any] = []
    monkeypatch.setattr("commander.streaming.nats.chunks.limit_silence", limited.append)
    nats, reconnected = Nats(nats_server.url, NAMES), asyncio.Event()
    await nats.connect("test")
    assert [transport.is_closing() for transport in limited] == [False]
    nats.on_reconnect(reconnected.set)
    await nats_server.stop()
    await nats_server.start()
    async with asyncio.timeout(30):
        await reconnected.wait()
    assert [transport.is_closing() for transport in limited[-1:]] == [False]
    assert len(limited) > 1
    await nats.close()
