"""The services of an API process, over real servers; the processor is started by the test."""

from __future__ import annotations

import pytest_asyncio

from commander.eventstore.projections.tables import Table
from commander.examples.bank import bank
from commander.resolvers.services import Limits, Services
from commander.streaming.commands.outcomes import OutcomeWaiter
from commander.streaming.feed.feed import Feed
from commander.streaming.projections.progress import ProjectionProgress
from tests.streaming.conftest import Bank, no_connection_is_held_while_nats_is_awaited, servers

__all__ = ["no_connection_is_held_while_nats_is_awaited", "servers"]


@pytest_asyncio.fixture
async def services(servers: Bank) -> Services:  # the fixture is asked for by its name
    tables = {name: Table(projection) for name, projection in bank.projections.items()}
    made = Services(
        domain=bank,
        database=servers.database,
        nats=servers.nats,
        submitter=servers.submitter,
        outcomes=OutcomeWaiter(servers.nats, servers.database),
        progress=ProjectionProgress(servers.nats, servers.database, tables),
        feed=Feed(servers.database, servers.nats),
        tables=tables,
        limits=Limits(max_batch=5),
    )
    await made.outcomes.start()
    await made.progress.start()
    return made
