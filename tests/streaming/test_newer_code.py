"""Reactors, effects and projections of old code: what is for newer code is left to it, not skipped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest

from commander.eventstore.locks import Lock, lock_key, try_lock
from commander.eventstore.projections.tables import Table
from commander.eventstore.reactions.effects import list_effect_failures
from commander.eventstore.sharing import forget_code, register_code
from commander.streaming.effects.runner import EffectRunner
from commander.streaming.projections.projecting import Projector
from commander.streaming.reactors.reacting import ReactorRunner
from tests.streaming.conftest import Bank, running
from tests.streaming.parcels import Parcels


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commander.streaming.reactors.reacting._REBALANCE_SECONDS", 0.1)
    monkeypatch.setattr("commander.streaming.running._LEFT_SECONDS", 0.5)


async def until(holds: Callable[[], bool | Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not (await held if isinstance(held := holds(), Awaitable) else held):
            await asyncio.sleep(0.02)


def reactor_of(servers: Bank, parcels: Parcels) -> ReactorRunner:
    reactor = parcels.domain.reactors["billing"]
    return ReactorRunner(parcels.domain, servers.database, servers.nats, servers.submitter, reactor)


def effect_of(servers: Bank, parcels: Parcels) -> EffectRunner:
    effect = parcels.domain.effects["tell"]
    return EffectRunner(parcels.domain, servers.database, servers.nats, effect)


async def told(servers: Bank, *codes: Parcels) -> None:
    """As if a part with each code had started, one after the other."""
    async with servers.database.connection() as connection:
        for one in codes:
            await register_code(connection, one.domain.code)


async def submitted(servers: Bank, parcels: Parcels, *commands: Any) -> None:
    for command in commands:
        command_id = await servers.submit(command, parcels.domain)
        assert (await servers.outcome(command_id)).status == "APPLIED"


async def billed(servers: Bank) -> list[str]:
    events = [event.data for event in await servers.log() if event.type == "Billed"]
    return sorted("returned" if "returned" in data else "sent" for data in events)


@asynccontextmanager
async def deciding(servers: Bank, parcels: Parcels) -> AsyncIterator[None]:
    async with running(servers.processor(parcels.domain).run()):
        yield


@pytest.mark.parametrize("newer_is_there", [True, False])
async def test_a_reactor_leaves_events_of_newer_code_to_it_and_waits_while_it_is_not_there(
    servers: Bank, newer_is_there: bool
) -> None:
    old, new = Parcels("old"), Parcels("new")
    await told(servers, old)
    before, after = reactor_of(servers, old), reactor_of(servers, new)
    parcels = [uuid4() for _ in range(8)]
    async with deciding(servers, new), running(before.run()):
        await until(lambda: len(before.owned) == 4)
        if not newer_is_there:
            await submitted(servers, new, *(new.bring_back(one) for one in parcels))
            await until(lambda: "does not know the event Returned" in (before.failure or ""))
            assert "start the part reactors" in (before.failure or "")
            assert await billed(servers) == []
        async with running(after.run()):
            await until(lambda: bool(after.owned))
            if newer_is_there:
                await submitted(servers, new, *(new.bring_back(one) for one in parcels))
            await submitted(servers, new, *(new.send(one) for one in parcels))

            async def all_billed() -> bool:
                return await billed(servers) == ["returned"] * 8 + ["sent"] * 8

            await until(all_billed)
            await until(lambda: before.failure is None and after.failure is None)
            assert after.owned, "what was left stays with the newer code"


async def test_a_reactor_of_newest_code_passes_over_events_that_only_former_code_took(servers: Bank) -> None:
    new, newest = Parcels("new"), Parcels("newest")
    async with deciding(servers, new):
        await submitted(servers, new, new.bring_back(uuid4()), new.send(uuid4()))
    await told(servers, new, newest)
    one = reactor_of(servers, newest)
    async with deciding(servers, newest), running(one.run()):

        async def sent_is_billed() -> bool:
            return await billed(servers) == ["sent"]

        await until(sent_is_billed)
        assert one.failure is None


async def test_a_reactor_passes_over_what_it_waited_for_once_that_code_is_forgotten(servers: Bank) -> None:
    old, new = Parcels("old"), Parcels("new")
    await told(servers, old)
    async with deciding(servers, new):
        await submitted(servers, new, new.bring_back(uuid4()))
    one = reactor_of(servers, old)
    async with running(one.run()):
        await until(lambda: one.failure is not None)
        await forget_code(servers.database, new.domain.code.fingerprint)
        await until(lambda: one.failure is None and len(one.owned) == 4)


@pytest.mark.parametrize("command", ["send", "bring_back"])
async def test_an_effect_leaves_events_of_newer_code_to_it_and_no_call_is_a_dead_letter(
    servers: Bank, command: str
) -> None:
    old, new = Parcels("old"), Parcels("new")
    await told(servers, old)
    before, after = effect_of(servers, old), effect_of(servers, new)
    async with running(before.run()):
        await until(lambda: _is_held(servers, Lock.EFFECT, "tell"))
        async with deciding(servers, old):
            await submitted(servers, old, old.send(uuid4()))
        await until(lambda: old.told == ["Sent"])
        parcel: Callable[[UUID], Any] = getattr(new, command)
        async with deciding(servers, new):
            await submitted(servers, new, parcel(uuid4()), new.send(uuid4()))
        await until(lambda: "does not know the event" in (before.failure or ""))
        async with running(after.run()):
            await until(lambda: len(new.told) == 2)
            await until(lambda: before.failure is None)
        assert new.told == ["Sent" if command == "send" else "Returned", "Sent"]
        assert old.told == ["Sent"]
    assert await list_effect_failures(servers.database, 10) == []


async def test_a_projection_that_meets_a_newer_event_releases_its_table_for_newer_code(servers: Bank) -> None:
    old, new = Parcels("old"), Parcels("new")
    async with deciding(servers, new):
        await submitted(servers, new, new.send(uuid4()))
    table = Table(old.domain.projections["parcel"])
    projector = Projector(old.domain, servers.database, servers.nats, table)
    async with running(projector.run()):
        await until(lambda: "newer than this code's 1" in (projector.failure or ""))
        connection = await servers.database.connect("newer code")
        try:
            await until(lambda: try_lock(connection, Lock.PROJECTION, lock_key(table.name)))
            await until(lambda: projector.failure is None)
        finally:
            await connection.close()
        await until(lambda: projector.failure is not None)


async def _is_held(servers: Bank, lock: Lock, name: str) -> bool:
    connection = await servers.database.connect("watching")
    try:
        return not await try_lock(connection, lock, lock_key(name))
    finally:
        connection.terminate()
