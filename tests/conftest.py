"""Real servers for the tests: one Postgres for all, a database and a NATS of its own for each test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from commander.dev.embedded import EmbeddedNats, EmbeddedPostgres
from commander.eventstore.database import Database
from commander.eventstore.migrate import migrate
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.streams import ensure_streams
from tests.system import System


def pytest_configure(config: pytest.Config) -> None:
    """A temporary directory of this run's own: pytest's usual one is closed to others by the next run that
    starts, and run as root the embedded Postgres is another user."""
    if config.option.basetemp is None:
        config.option.basetemp = Path(tempfile.mkdtemp(prefix="commander-"))
        config.add_cleanup(lambda: shutil.rmtree(config.option.basetemp, ignore_errors=True))


@pytest_asyncio.fixture(scope="session")
async def postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedPostgres]:
    """A Postgres server; its own database, migrated, is the template of each test's."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"))
    await server.start()
    database = Database(server.url)
    await migrate(database)
    await database.close()
    yield server
    await server.stop()


@pytest_asyncio.fixture
async def database_url(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """The URL of a migrated database, empty, for one test."""
    name = f"test_{uuid4().hex}"
    admin = Database(postgres.url.replace(f"/{postgres.database}?", "/postgres?"))
    await admin.fetch(f'create database "{name}" template "{postgres.database}"')
    yield postgres.url.replace(f"/{postgres.database}?", f"/{name}?")
    await admin.fetch(f'drop database "{name}" with (force)')
    await admin.close()


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url)
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def nats_server(tmp_path: Path) -> AsyncIterator[EmbeddedNats]:
    server = EmbeddedNats(tmp_path)
    await server.start()
    yield server
    await server.stop()


@pytest_asyncio.fixture
async def nats(nats_server: EmbeddedNats) -> AsyncIterator[Nats]:
    """A connection to a NATS of one's own, with its streams made."""
    connection = Nats(nats_server.url)
    await connection.connect("test")
    await ensure_streams(connection, replicas=1)
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The bank under `commander dev`, as a newcomer runs it; shared by the tests that do not break it."""
    with System(tmp_path_factory.mktemp("system")) as running:
        yield running
