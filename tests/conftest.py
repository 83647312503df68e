"""Real servers for the tests: one Postgres and one NATS for all, with nothing in them for each test."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Generator
from pathlib import Path

import hypothesis
import nats as nats_client
import pytest
import pytest_asyncio
from xdist.remote import Producer

from commander.dev.embedded import EmbeddedNats, EmbeddedPostgres
from commander.eventstore.database import Database
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.streams import ensure_streams
from tests.clusters import Clusters
from tests.databases import Databases
from tests.names import NAMES
from tests.scheduling import TESTS, BySystem, place
from tests.sharing_bytecode import import_share

# An example takes as long as the machine is busy: hypothesis would call a test flaky that takes 200 ms once.
hypothesis.settings.register_profile("commander", deadline=None)
hypothesis.settings.load_profile("commander")


def pytest_configure(config: pytest.Config) -> None:
    """A temporary directory of this run's own: pytest's usual one is closed to others by the next run that
    starts, and run as root the embedded Postgres is another user. The processes that tests start are as where
    Commander alone is installed: see tests/hidden."""
    path = [str(TESTS / "hidden"), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(path)
    if config.option.basetemp is None:
        config.option.basetemp = Path(tempfile.mkdtemp(prefix="commander-"))
        config.add_cleanup(lambda: shutil.rmtree(config.option.basetemp, ignore_errors=True))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: place(item.path))


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """The garbage collector rests meanwhile, and then ignores what the collection made: all of it stays."""
    gc.disable()
    try:
        import_share(session.config)
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> BySystem | None:
    return BySystem(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def clusters(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Clusters:
    own = tmp_path_factory.getbasetemp()
    parallel = hasattr(request.config, "workerinput")
    return Clusters(tmp_path_factory, shared=own.parent if parallel else own)


@pytest_asyncio.fixture(scope="session")
async def postgres(clusters: Clusters) -> AsyncIterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(clusters.copy("postgres"))
    await server.start()
    yield server
    await server.stop()


@pytest_asyncio.fixture(scope="session")
async def databases(postgres: EmbeddedPostgres) -> AsyncIterator[Databases]:
    made = Databases(postgres)
    await made.prepare()
    yield made
    await made.close()


@pytest_asyncio.fixture
async def database_url(databases: Databases) -> AsyncIterator[str]:
    """The URL of a migrated database, empty, for one test."""
    name = await databases.take()
    yield databases.url(name)
    databases.give_back(name)


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url)
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def other(databases: Databases) -> AsyncIterator[Database]:
    """Another migrated database, to import into."""
    name = await databases.take()
    opened = Database(databases.url(name))
    yield opened
    await opened.close()
    databases.give_back(name)


@pytest_asyncio.fixture(scope="session")
async def shared_nats(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedNats]:
    server = EmbeddedNats(tmp_path_factory.mktemp("nats"))
    yield server
    await server.stop()


@pytest_asyncio.fixture
async def nats_server(shared_nats: EmbeddedNats) -> EmbeddedNats:
    """A NATS with nothing in it, for one test, which may stop and kill it."""
    if shared_nats.process is None or shared_nats.process.returncode is not None:
        await shared_nats.start()
    client = await nats_client.connect(shared_nats.url)
    jetstream = client.jetstream()
    for stream in await jetstream.streams_info():
        await jetstream.delete_stream(stream.config.name or "")
    await client.close()
    return shared_nats


@pytest_asyncio.fixture
async def nats(nats_server: EmbeddedNats) -> AsyncIterator[Nats]:
    """A connection to a NATS with Commander's streams, empty."""
    connection = Nats(nats_server.url, NAMES)
    await connection.connect("test")
    await ensure_streams(connection, replicas=1)
    yield connection
    await connection.close()
