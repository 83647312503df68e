"""The bank's transfers as tests of lineages have them decided, asked for and watched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import aclosing, asynccontextmanager
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from strawberry import Schema

from commander.eventstore.database import Connection, Database
from commander.examples.bank import bank
from commander.examples.bank.messages import Deposit, OpenAccount, RequestTransfer
from commander.resolvers.services import Services
from commander.schema.context import Context
from commander.streaming.commands.messages import queued_subject
from commander.streaming.commands.pending_by_correlation import PendingCommands, pending_by_correlation
from commander.streaming.log.relay import Relay
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.direct_get import next_messages
from commander.streaming.projections.projecting import Projector
from commander.streaming.reactors.reacting import ReactorRunner
from tests.names import NAMES
from tests.schema.built import bank_schema
from tests.streaming.conftest import Bank, running, until_reacted

SCHEMA = bank_schema()
Tree = dict[str, Any]
LINEAGE = """query ($id: UUID!, $depth: Int! = 20, $first: Int! = 200) {
  lineage(commandId: $id, depth: $depth, first: $first) { ...Tree } } """
TREE = """fragment Tree on Lineage {
  correlationId settled truncated position durationMs
  root { command { type } events { event { type } reactions { command { type status } } } }
  commands { depth waitedMs sinceSubmittedMs submittedAt decidedAt
    command { commandId type status reactor notBefore }
    events { recordedAt sinceSubmittedMs event { type position } projections { name applied } } }
}"""
WATCHED = "subscription ($id: UUID!) { lineage(commandId: $id) { ...Tree } } " + TREE


class Counting(Database):
    """A database that counts how often it is asked."""

    asked = 0

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        self.asked += 1
        async with super().connection() as connection:
            yield connection


def reactors(servers: Bank) -> ReactorRunner:
    reactor = bank.reactors["transfers"]
    return ReactorRunner(bank, servers.database, servers.nats, servers.submitter, reactor)


@asynccontextmanager
async def deciding(servers: Bank) -> AsyncIterator[None]:
    async with running(servers.processor().run()), running(reactors(servers).run()):
        yield


async def accounts(servers: Bank, *ids: UUID) -> None:
    for account in ids:
        await servers.submit(OpenAccount("Ada", account))
        await servers.outcome(await servers.submit(Deposit(account, Decimal(50))))


async def until_logged(servers: Bank, type_: str, count: int = 1) -> None:
    async with asyncio.timeout(15):
        while [event.type for event in await servers.log()].count(type_) < count:
            await asyncio.sleep(0.02)


async def transferred(servers: Bank, count: int) -> None:
    """So many transfers from one account to another, all completed."""
    source, target = uuid4(), uuid4()
    async with deciding(servers):
        await accounts(servers, source, target)
        for _ in range(count):
            await servers.submit(RequestTransfer(source, target, Decimal(1)))
        await until_logged(servers, "TransferCompleted", count)


async def asked(services: Services, document: str, **variables: Any) -> Any:
    return await asked_of(SCHEMA, services, document, **variables)


async def asked_of(schema: Schema, services: Services, document: str, **variables: Any) -> Any:
    """What the document's one field answers."""
    result = await schema.execute(document, variables, Context(services))
    assert not result.errors, result.errors
    [answer] = (result.data or {}).values()
    return answer


async def refused(services: Services, document: str, **variables: Any) -> dict[str, Any]:
    result = await SCHEMA.execute(document, variables, Context(services))
    assert result.errors, result.data
    return result.errors[0].extensions or {}


async def watch(
    services: Services, command_id: UUID, document: str = WATCHED
) -> AsyncGenerator[dict[str, Any], None]:
    results = await SCHEMA.stream(document, {"id": str(command_id)}, Context(services))
    async with aclosing(results):
        async for result in results:
            assert not result.errors, result.errors
            yield result.data["lineage"]


async def projecting(servers: Bank, services: Services) -> None:
    async with asyncio.TaskGroup() as group:
        for table in services.tables.values():
            projector = Projector(bank, servers.database, servers.nats, table)
            group.create_task(projector.run())


async def requested(servers: Bank, amount: int = 20) -> UUID:
    """A transfer that is requested, and nobody has reacted to."""
    source, target = uuid4(), uuid4()
    async with running(servers.processor().run()):
        await accounts(servers, source, target)
        transfer = await servers.submit(RequestTransfer(source, target, Decimal(amount)))
        await servers.outcome(transfer)
    return transfer


async def reacted_to(servers: Bank, amount: int = 20) -> UUID:
    """A transfer that is requested and reacted to, and the processor stopped."""
    transfer = await requested(servers, amount)
    async with running(reactors(servers).run()):
        await until_reacted(servers, "transfers")
    return transfer


@asynccontextmanager
async def fed(servers: Bank, services: Services) -> AsyncIterator[None]:
    """What a watcher hears by, for as long as a test may take."""
    relay = Relay(servers.database, servers.nats)
    async with running(services.feed.run()), running(relay.run()), asyncio.timeout(30):
        yield


def shown(tree: Tree) -> list[tuple[int, str, str]]:
    return [(one["depth"], one["command"]["type"], one["command"]["status"]) for one in tree["commands"]]


async def decide_and_purge(servers: Bank) -> None:
    """Returns when all that was queued is decided, and gone from the stream."""
    async with running(servers.processor(purge_seconds=0.05).run()), asyncio.timeout(10):
        while (await next_messages(servers.nats, "COMMANDS", queued_subject(NAMES), 1, 1, 1)).messages:
            await asyncio.sleep(0.02)


async def until_settled(services: Services, command_id: UUID) -> Tree:
    async with asyncio.timeout(15):
        while not (tree := await asked(services, LINEAGE + TREE, id=str(command_id)))["settled"]:
            await asyncio.sleep(0.02)
    return dict(tree)


async def until_applied(services: Services, command_id: UUID) -> Tree:
    async with asyncio.timeout(15):
        while True:
            tree = await asked(services, LINEAGE + TREE, id=str(command_id))
            events = [event for one in tree["commands"] for event in one["events"]]
            if all(one["applied"] for event in events for one in event["projections"]):
                return dict(tree)
            await asyncio.sleep(0.02)


class Looks:
    """Counts how often what is under way is looked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
        self.count = 0
        monkeypatch.setattr(f"{module}.pending_by_correlation", self._look)

    async def _look(self, nats: Nats, database: Database, ids: Collection[UUID]) -> PendingCommands:
        self.count += 1
        return await pending_by_correlation(nats, database, ids)

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10):
            while self.count < count:
                await asyncio.sleep(0.01)
