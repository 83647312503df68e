"""Each path takes as many round trips to a server as docs/architecture.md says.

A proxy counts them. A round is one command or event, and the count is the least of several rounds: what a
part asks now and then comes on top in some, and a statement is prepared in the first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest_asyncio
from msgspec import structs

from bench.distance import Far
from commander.eventstore.database import Database
from commander.eventstore.log.event_log import append, head_position
from commander.eventstore.projections.folding import ensure_tables
from commander.eventstore.projections.tables import Table
from commander.eventstore.records import Decision, NewEvent, Status, SubmittedCommand
from commander.examples.bank import bank
from commander.examples.bank.messages import Deposit, OpenAccount, RequestTransfer, TransferRequested
from commander.streaming.commands.outcomes import OutcomeWaiter
from commander.streaming.commands.submitting import Submitter
from commander.streaming.log.relay import Relay
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.signals import log_signals
from commander.streaming.projections.progress import ProjectionProgress
from commander.streaming.projections.projecting import Projector
from commander.streaming.reactors.reacting import ReactorRunner
from tests.streaming.conftest import PARTITIONS, Bank, running, submitted, until_reacted

ROUNDS = 5


@dataclass
class Counted:
    """Servers through a proxy that counts trips, and connections to them."""

    postgres: Far
    nats: Far
    database: Database
    nats_connection: Nats


@pytest_asyncio.fixture
async def counted(servers: Bank, database_url: str) -> AsyncIterator[Counted]:
    async with Far(database_url, 0) as postgres, Far(servers.nats.servers[0], 0) as nats:
        database, connection = Database(postgres.url), Nats(nats.url, servers.nats.names)
        await connection.connect("counted")
        yield Counted(postgres, nats, database, connection)
        await connection.close()
        await database.close()


async def least(far: Far, once: Callable[[], Awaitable[Any]]) -> int:
    """The trips of one round."""
    found = []
    for _ in range(ROUNDS):
        before = far.trips
        await once()
        found.append(far.trips - before)
    return min(found)


def fresh(command: Any) -> SubmittedCommand:
    """A command as the API submits it."""
    return structs.replace(submitted(command), fresh=True)


async def until_mirrored(servers: Bank, position: int) -> None:
    async with asyncio.timeout(20):
        while (await servers.nats.jetstream.stream_info("EVENTS")).state.last_seq < position:
            await asyncio.sleep(0.005)


async def test_submitting_takes_one_trip(servers: Bank, counted: Counted) -> None:
    submitter = Submitter(counted.nats_connection, PARTITIONS)

    async def submit() -> None:
        await submitter.submit(submitted(OpenAccount("Ada", uuid4())))

    assert await least(counted.nats, submit) == 1


async def test_looking_up_many_outcomes_at_once_takes_few_trips(servers: Bank, counted: Counted) -> None:
    waiter = OutcomeWaiter(servers.nats, counted.database)

    async def look_up() -> None:
        await asyncio.gather(*(waiter.look_up(uuid4()) for _ in range(100)))

    assert await least(counted.postgres, look_up) <= 2


async def test_deciding_takes_one_trip_and_another_one_to_look_up_what_is_not_known(
    servers: Bank, counted: Counted
) -> None:
    far = Bank(counted.database, servers.nats, servers.submitter)
    processor = far.processor(rebalance_seconds=1000.0, purge_seconds=1000.0)
    account = uuid4()

    async def decide(command: SubmittedCommand) -> None:
        await servers.submitter.submit(command)
        await servers.outcome(command.command_id)

    async with running(processor.run()):
        await decide(fresh(OpenAccount("Ada", account)))
        deposit = Deposit(account, Decimal(1))
        assert await least(counted.postgres, lambda: decide(fresh(deposit))) == 1
        assert await least(counted.postgres, lambda: decide(submitted(deposit))) == 2
        assert await least(counted.postgres, lambda: decide(fresh(OpenAccount("Ada", uuid4())))) == 2


async def test_projecting_takes_one_trip_and_another_one_to_read_a_row(
    servers: Bank, counted: Counted
) -> None:
    table = Table(bank.projections["account"])
    await ensure_tables(servers.database, [table])
    progress = ProjectionProgress(servers.nats, servers.database, {"account": table})
    await progress.start()
    account = uuid4()

    async def project(command: Any) -> None:
        await servers.outcome(await servers.submit(command))
        assert not await progress.reach({"account": await head_position(servers.database)}, 20)

    async with (
        running(servers.processor().run()),
        running(Projector(bank, counted.database, servers.nats, table).run()),
    ):
        await project(OpenAccount("Ada", account))
        assert await least(counted.postgres, lambda: project(Deposit(account, Decimal(1)))) == 1
        assert await least(counted.postgres, lambda: project(OpenAccount("Ada", uuid4()))) == 2


async def test_the_relay_takes_one_trip_to_nats_and_none_to_postgres(servers: Bank, counted: Counted) -> None:
    async def mirror() -> None:
        await servers.outcome(await servers.submit(OpenAccount("Ada", uuid4())))
        await until_mirrored(servers, await head_position(servers.database))

    async with (
        running(servers.processor().run()),
        running(Relay(counted.database, counted.nats_connection).run()),
    ):
        await mirror()
        assert await least(counted.postgres, mirror) == 0
        assert await least(counted.nats, mirror) <= 1


async def test_a_reaction_of_a_process_loads_its_state_and_stores_it(servers: Bank, counted: Counted) -> None:
    reactor = bank.reactors["transfers"]
    submitter = Submitter(counted.nats_connection, PARTITIONS)
    runner = ReactorRunner(bank, counted.database, counted.nats_connection, submitter, reactor)

    async def react() -> None:
        """To an event that nobody else follows: no processor runs."""
        request = RequestTransfer(uuid4(), uuid4(), Decimal(1), uuid4())
        event = TransferRequested(request.transfer_id, request.source_id, request.target_id, request.amount)
        data = bank.events["TransferRequested"].encode(event).decode()
        made = submitted(request)
        decision = Decision(made, made.digest, Status.APPLIED, 1, (NewEvent("TransferRequested", 1, data),))
        async with servers.database.connection() as connection:
            events = (await append(connection, [decision], None)).events
        await servers.nats.publish_signals(log_signals(servers.nats.names, events))
        await until_reacted(servers, reactor.name)

    async with running(runner.run()):
        await react()
        assert await least(counted.postgres, react) == 5
        assert await least(counted.nats, react) <= 1
