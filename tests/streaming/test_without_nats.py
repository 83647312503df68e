"""A part that has lost NATS, and not Postgres, leaves its work to one that can do it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

import nats as nats_client
import pytest
from nats.aio.msg import Msg

from commander.dev.embedded import EmbeddedNats
from commander.domain.errors import Trouble
from commander.eventstore.database import Connection, Database
from commander.examples.bank import bank
from commander.streaming.commands.submitting import Submitter
from commander.streaming.log.relay import Relay
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.watching import watch_nats
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


async def test_a_nats_that_was_killed_in_the_middle_of_a_question_is_not_silent_when_it_is_back(
    nats_server: EmbeddedNats,
) -> None:
    nats = Nats(nats_server.url, NAMES)
    asker = await nats_client.connect(nats_server.url, reconnect_time_wait=0)
    asked, troubles = asyncio.Queue[bytes](), list[Trouble]()
    nats.circuit.on_open(lambda outage: troubles.append(outage.trouble))

    async def is_asked(message: Msg) -> None:
        await asked.put(message.data)

    await asker.subscribe(f"$JS.API.STREAM.INFO.{NAMES.commands}", cb=is_asked)
    await nats.connect("test")
    try:
        async with running(watch_nats(nats)), asyncio.timeout(60):
            await asked.get()
            assert nats_server.process is not None
            while nats.client._requests:  # it has not answered yet
                await asyncio.sleep(0.01)
            nats_server.process.send_signal(signal.SIGSTOP)
            while not nats.client._requests:  # it is asked again, and does not answer
                await asyncio.sleep(0.01)
            nats_server.process.kill()
            await nats_server.process.wait()
            await nats_server.start()
            while not nats.connected:
                await asyncio.sleep(0.01)
            troubles.clear()
            while not asked.empty():
                asked.get_nowait()
            await asked.get()
            assert Trouble.SILENT not in troubles
    finally:
        await asker.close()
        await nats.close()
