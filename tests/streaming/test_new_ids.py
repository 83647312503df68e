"""An id that a reaction makes is the same in each repetition: when it is sent, remembered, and replayed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

import msgspec
import pytest

from commander.eventstore.reactions.reactors import forget_states, load_states
from commander.streaming.commands.assembling import Envelope, assembled
from commander.streaming.reactors.reacting import ReactorRunner
from commander.streaming.reactors.recurring import Ticker
from tests.streaming.conftest import Bank, running, until_reacted
from tests.streaming.wallets import Register, Welcome, wallets


def runner(servers: Bank) -> ReactorRunner:
    reactor = wallets.reactors["welcome"]
    return ReactorRunner(wallets, servers.database, servers.nats, servers.submitter, reactor)


async def remembered(servers: Bank) -> Welcome:
    async with servers.database.connection() as connection:
        states = await load_states(connection, "welcome", ["Ada"])
    return msgspec.json.decode(states["Ada"].state, type=Welcome)


async def test_what_is_remembered_is_what_was_sent_after_a_crash_and_after_a_replay(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(*_: object, **__: object) -> None:
        raise RuntimeError("killed before the checkpoint was saved")

    async with running(servers.processor(wallets).run()):
        await servers.outcome(await servers.submit(Register("Ada"), wallets))
        with monkeypatch.context() as patched:
            patched.setattr("commander.streaming.reactors.reacting.save_reactor", die)
            with pytest.raises(RuntimeError, match="killed"):
                await runner(servers).run()
        async with asyncio.timeout(20):
            while len(log := await servers.log()) < 3:
                await asyncio.sleep(0.02)
        sent = {f"wallet-{wallet}" for wallet in (await _after(servers)).opened}
        assert {event.stream for event in log[1:]} == sent
        async with servers.database.connection() as connection:
            await forget_states(connection, "welcome")
        assert {f"wallet-{wallet}" for wallet in (await _after(servers)).opened} == sent
        assert len(await servers.log()) == 3


async def _after(servers: Bank) -> Welcome:
    async with running(runner(servers).run()):
        await until_reacted(servers, "welcome")
        async with asyncio.timeout(20):
            while not await servers.database.fetchval("select count(*) from reactor_states"):
                await asyncio.sleep(0.02)
        return await remembered(servers)


async def test_a_tick_makes_the_same_ids_in_every_process(servers: Bank) -> None:
    yearly, tick = wallets.recurring["yearly"], datetime(2100, 1, 1, tzinfo=UTC)
    made = [
        Ticker(wallets, servers.database, servers.nats, servers.submitter)._commands_at(yearly, tick)[0]
        for _ in range(2)
    ]
    assert made[0].stream == made[1].stream
    assert bytes(made[0].data) == bytes(made[1].data)


def test_a_hook_makes_the_same_ids_when_a_command_is_sent_again() -> None:
    command_id, now = uuid4(), datetime.now(UTC)
    envelopes = [
        Envelope.of_client(
            one,
            now,
            correlation_id=None,
            expected_version=None,
            actor=None,
            reply="",
            traceparent=None,
            not_before=None,
        )
        for one in (command_id, command_id, uuid4())
    ]
    first, again, other = (bytes(assembled(wallets, Register("Ada"), one).data) for one in envelopes)
    assert first == again != other
