"""What the resolvers have in these tests: the services of a process, over real servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio

from commander.examples.bank import bank
from commander.resolvers.services import Services
from commander.streaming.log.relay import Relay
from commander.streaming.projections.projecting import Projector
from commander.streaming.reactors.reacting import ReactorRunner
from tests.resolvers.conftest import services
from tests.streaming.conftest import Bank, no_connection_is_held_while_nats_is_awaited, servers

__all__ = ["no_connection_is_held_while_nats_is_awaited", "servers", "services"]


@pytest_asyncio.fixture
async def all_parts(servers: Bank, services: Services) -> AsyncIterator[Services]:
    """Every part of the system, in this process."""
    reactor = bank.reactors["transfers"]
    work = [
        servers.processor().run(),
        Relay(servers.database, servers.nats).run(),
        ReactorRunner(bank, servers.database, servers.nats, servers.submitter, reactor).run(),
        services.feed.run(),
        services.system.run(),
        *(Projector(bank, servers.database, servers.nats, t).run() for t in services.tables.values()),
    ]
    tasks = [asyncio.create_task(one) for one in work]
    yield services
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
