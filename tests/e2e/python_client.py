"""What `commander client python` writes for the bank, imported, and a task that follows its feed."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import httpx

from commander.domain import Domain
from commander.examples.bank import bank
from commander.schema.build import build_schema
from commander.schema.python.files import python_files
from tests.system import NO_TLS

BREAK_SECONDS = 30


def write_package(folder: Path, domain: Domain) -> Path:
    """Writes the client of a domain into a folder, which is a package then."""
    write_files(folder, python_files(domain, build_schema(domain).as_str()))
    return folder


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


@cache
def bank_package() -> Any:
    """The bank's client, imported once in this process."""
    folder = Path(mkdtemp(prefix="commander-client-"))
    write_package(folder / "bank_client", bank)
    sys.path.insert(0, str(folder))
    for module in ("models", "runtime.websocket"):
        importlib.import_module(f"bank_client.{module}")
    return importlib.import_module("bank_client")


@asynccontextmanager
async def bank_client(url: str, transport: str = "sse", **options: Any) -> AsyncIterator[Any]:
    """A client of the bank at this URL. transport: sse or ws."""
    package = bank_package()
    if transport == "ws":
        options["transport"] = package.runtime.websocket.WebSocket(url.replace("http", "ws"), proxy=None)
    limits = httpx.Limits(max_connections=None)
    async with (
        httpx.AsyncClient(verify=NO_TLS, trust_env=False, limits=limits) as http,
        package.connect(url, http=http, **options) as client,
    ):
        yield client


class Follower:
    """A task that follows the feed of a client from the beginning. items: those that have come."""

    def __init__(self) -> None:
        self.client: Any = None
        self.items: list[Any] = []
        self.breaks = 0
        self._changed = asyncio.Event()

    def broken(self, error: Exception) -> None:
        """For `on_break` of the client."""
        self.breaks += 1
        self._changed.set()

    def begin(self, client: Any) -> None:
        self.client = client
        self._task = asyncio.create_task(self._follow())

    async def end(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.result()

    async def _follow(self) -> None:
        async for item in self.client.follow(0):
            self.items.append(item)
            self._changed.set()

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Waits until the condition holds for what has come."""
        try:
            async with asyncio.timeout(BREAK_SECONDS):
                while not condition():
                    assert not self._task.done(), self._task
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"not in {BREAK_SECONDS} s: {what}; last: {self.items[-2:]}") from None

    async def caught_up(self) -> None:
        """Waits for the end of the history."""
        await self.until(
            lambda: any(type(item).__name__ == "CaughtUp" for item in self.items), "the history is over"
        )

    async def at(self, position: int, when: str) -> None:
        """Waits for an item at this position or behind it."""
        await self.until(lambda: self.position >= position, f"the position {position} {when}")

    @property
    def events(self) -> list[Any]:
        return [item for item in self.items if hasattr(item, "version")]

    @property
    def position(self) -> int:
        """Of the last item."""
        return int(self.items[-1].position) if self.items else 0

    async def broken_since(self, breaks: int, when: str) -> None:
        """Waits for a further break."""
        await self.until(lambda: self.breaks > breaks, f"a break {when}")

    def assert_each_position_once(self) -> None:
        positions = [event.position for event in self.events]
        assert positions == list(range(1, len(positions) + 1))


@asynccontextmanager
async def following(url: str, transport: str, **options: Any) -> AsyncIterator[Follower]:
    """A client that follows the feed. The history is over."""
    follower = Follower()
    async with bank_client(url, transport, on_break=follower.broken, **options) as client:
        follower.begin(client)
        try:
            await follower.caught_up()
            yield follower
        finally:
            await follower.end()
