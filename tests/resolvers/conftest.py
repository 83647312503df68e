"""The services of an API process, over real servers; the processor is started by the test."""

from __future__ import annotations

import pytest_asyncio

from eventstore.tables import Table
from examples.bank import bank
from resolvers.services import Limits, Services
from streaming.feed import Feed
from streaming.outcomes import OutcomeWaiter
from streaming.progress import ProjectionProgress
from tests.streaming.conftest import Bank, servers

__all__ = ["servers"]


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
