"""What the end-to-end tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext

from commander.dev.embedded import EmbeddedNats
from tests.clusters import Clusters
from tests.e2e.bank import opened
from tests.e2e.graphiql import Browsed, browser, browsing
from tests.e2e.parts import Parts
from tests.system import System


@pytest.fixture(scope="package")
def system(clusters: Clusters) -> Iterator[System]:
    """The bank under `commander dev`, as a newcomer runs it; shared by the tests that do not break it."""
    with System(clusters.copy("system")) as running:
        yield running


@pytest.fixture(scope="module")
def goes_on(system: System) -> Iterator[None]:
    """After all tests of a file the same process answers, is ready, and has logged no failure of its own."""
    api, log = system.find("api").pid, system.log.stat().st_size
    yield
    assert system.find("api").pid == api
    assert system.readiness()["ready"]
    opened(system)
    logged = system.log.read_bytes()[log:].decode()
    assert "Traceback" not in logged, logged
    assert "incident" not in logged, logged


@pytest.fixture
def parts(database_url: str, nats_server: EmbeddedNats, tmp_path: Path) -> Iterator[Parts]:
    """Servers with nothing running on them yet."""
    with Parts(database_url, nats_server.url, tmp_path) as started:
        yield started


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def chromium() -> AsyncIterator[BrowserContext]:
    async with browser() as started:
        yield started


@pytest_asyncio.fixture
async def browsed(chromium: BrowserContext) -> AsyncIterator[Browsed]:
    """A page in headless Chromium with nothing stored."""
    async with browsing(chromium) as page:
        yield page
