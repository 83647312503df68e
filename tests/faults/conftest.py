"""Systems that these tests may break, with servers and data of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from commander.dev.embedded import EmbeddedNats, EmbeddedPostgres
from tests.clusters import Clusters
from tests.faults.servers import Servers
from tests.system import System

SETTINGS = {"COMMANDER_HEARTBEAT_SECONDS": "1"}


@pytest.fixture(scope="package")
def package_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with System(tmp_path_factory.mktemp("broken"), **SETTINGS) as started:
        yield started


@pytest.fixture
def breakable(package_system: System) -> System:
    """`commander dev` as a newcomer runs it, ready."""
    if package_system.process.poll() is None:
        package_system.wait_ready()
    else:
        package_system.start()
    return package_system


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def package_servers(clusters: Clusters) -> AsyncIterator[Servers]:
    data_dir = clusters.copy("servers")
    servers = Servers(EmbeddedPostgres(data_dir), EmbeddedNats(data_dir))
    await servers.start()
    yield servers
    await servers.stop()


@pytest_asyncio.fixture
async def servers(package_servers: Servers) -> Servers:
    """A Postgres and a NATS of these tests' own, running."""
    await package_servers.start()
    return package_servers


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def package_parts(
    package_servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[System]:
    await package_servers.start()  # a test may have stopped them
    system = System(tmp_path_factory.mktemp("parts"), **package_servers.environment, **SETTINGS)
    await asyncio.to_thread(system.start)
    yield system
    await asyncio.to_thread(system.stop)


@pytest_asyncio.fixture
async def parts(package_parts: System, servers: Servers) -> System:
    """`commander dev` on the servers of these tests, ready."""
    await asyncio.to_thread(package_parts.wait_ready)
    return package_parts
