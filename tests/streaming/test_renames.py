"""Renamed code goes on with what is stored: the same streams and outcomes, nothing twice, nothing lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest

from commander import Domain
from commander.eventstore.projections.folding import ensure_tables
from commander.eventstore.projections.serving import table_records
from commander.eventstore.projections.tables import Table
from commander.streaming.effects.runner import EffectRunner
from commander.streaming.log.event_codec import message_of
from commander.streaming.projections.projectors import Projectors
from commander.streaming.projections.serving import ServingTables
from commander.streaming.reactors.reacting import ReactorRunner
from tests.e2e import kiosk_new, kiosk_old
from tests.names import NAMES
from tests.streaming.conftest import Bank, running, submitted, until_reacted

OLD, NEW = kiosk_old.kiosk, kiosk_new.kiosk


@pytest.fixture(autouse=True)
def uncalled() -> None:
    kiosk_old.calls.clear()
    kiosk_new.calls.clear()


@asynccontextmanager
async def parts_of(servers: Bank, module: ModuleType) -> Any:
    """The processor, reactors and effects of one version of the code."""
    domain: Domain = module.kiosk
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running(servers.processor(domain).run()))
        for reactor in domain.reactors.values():
            made = ReactorRunner(domain, servers.database, servers.nats, servers.submitter, reactor)
            await stack.enter_async_context(running(made.run()))
        for effect in domain.effects.values():
            called = EffectRunner(domain, servers.database, servers.nats, effect)
            await stack.enter_async_context(running(called.run()))
            async with asyncio.timeout(10):
                while not await servers.database.fetch("select from effects where name = 'tell'"):
                    await asyncio.sleep(0.02)
        yield


async def until_quiet(servers: Bank, thanked: int) -> None:
    """Until the reactors and the effect are done with the log, which has so many thanks."""
    async with asyncio.timeout(20):
        while [event.type for event in await servers.log()].count("Thanked") < thanked:
            await asyncio.sleep(0.02)
        for reactor in ("greeter", "counting"):
            await until_reacted(servers, reactor)
        head = len(await servers.log())
        while (await servers.database.fetch("select position from effects"))[0]["position"] < head:
            await asyncio.sleep(0.02)


async def test_streams_commands_reactions_and_calls_go_on_under_new_names_and_back(servers: Bank) -> None:
    stand = uuid4()
    async with parts_of(servers, kiosk_old):
        first = await servers.submit(kiosk_old.Buy(stand, "tea"), OLD)
        await servers.outcome(first)
        await until_quiet(servers, 1)
    queued = await servers.submit(kiosk_old.Buy(stand, "bun"), OLD)
    async with parts_of(servers, kiosk_new):
        assert (await servers.outcome(queued)).version == 3, "queued under the old name, on the old stream"
        bought = await servers.submit(kiosk_new.Purchase(stand, "pie"), NEW)
        outcome = await servers.outcome(bought)
        assert (outcome.stream, outcome.type, outcome.version > 3) == (f"stand-{stand}", "Buy", True)
        repeated = submitted(kiosk_new.Purchase(stand, "tea"), NEW, command_id=first)
        assert repeated.digest == (await servers.outcome(first)).digest, "a client's repeat is no conflict"
        await until_quiet(servers, 3)
    async with parts_of(servers, kiosk_old):  # the new code was a mistake
        await servers.outcome(await servers.submit(kiosk_old.Buy(stand, "jam"), OLD))
        await until_quiet(servers, 4)
    log = await servers.log()
    assert Counter((event.stream, event.type) for event in log) == {
        (f"stand-{stand}", "Bought"): 4,
        (f"stand-{stand}", "Thanked"): 4,
    }
    assert {message_of(NAMES, event).subject for event in log} == {
        f"events.stand.{type_}.stand-{stand}" for type_ in ("Bought", "Thanked")
    }
    [state] = await servers.database.fetch("select reactor, state::text from reactor_states")
    assert tuple(state) == ("counting", '{"count":4}')
    assert [len(kiosk_old.calls), len(kiosk_new.calls)] == [2, 2], "each event is called for once"


async def test_the_table_of_a_renamed_projection_is_read_until_the_new_one_is_built(servers: Bank) -> None:
    async with running(servers.processor(OLD).run()):
        async with running(Projectors(OLD, servers.database, servers.nats).run()):
            await until_built(servers, 1)
            await servers.outcome(await servers.submit(kiosk_old.Buy(uuid4(), "tea"), OLD))
        await ensure_tables(servers.database, [Table(NEW.projections["stand"])])
        tables = ServingTables(servers.database, servers.nats, NEW.projections)
        await tables.refresh()
        assert tables["stand"].name == Table(OLD.projections["stand"]).name
        async with running(Projectors(NEW, servers.database, servers.nats).run()):
            await until_built(servers, 2)
        await tables.refresh()
        assert tables["stand"].name == Table(NEW.projections["stand"]).name
    [row] = await servers.database.fetch(f"select sold from {tables['stand'].name}")
    assert row["sold"] == 1, "the events under the old name are in it"


async def until_built(servers: Bank, count: int) -> None:
    async with asyncio.timeout(20):
        while [r.state for r in await table_records(servers.database)] != ["BUILT"] * count:
            await asyncio.sleep(0.02)
