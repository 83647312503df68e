"""The servers that are measured, each a process on the servers' core, and how events get into each."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import uuid4

from bench.audit import audit_log
from bench.feed.cores import SERVER
from bench.feed.peers import GRAPHQL_WS
from bench.feed.publishing import Publication, ask_to_publish, publish_into
from bench.processes import Process, until_it_answers
from bench.servers import Servers
from commander.dev.embedded import free_port

_ITEM = "{ position ... on Event { type stream } ... on MoneyDeposited { amount } }"


@dataclass(frozen=True)
class Server:
    """A server that runs. publish: begins to publish, or does so until all is published."""

    port: int
    process: Process
    publish: Callable[[Publication], Awaitable[None]]


@dataclass(frozen=True)
class Subject:
    """serve: a server with nothing published yet. filtered: the subscription to one stream.

    load: how many times the rate of the others its events come at.
    """

    letter: str
    name: str
    serve: Callable[[Servers], AbstractAsyncContextManager[Server]]
    filtered: str = f"subscription ($stream: String) {{ events(stream: $stream) {_ITEM} }}"
    filter_of: Callable[[str], object] = lambda stream: {"stream": stream}
    load: float = 1
    query: str = f"subscription {{ events {_ITEM} }}"


@asynccontextmanager
async def _commander(servers: Servers) -> AsyncIterator[Server]:
    async with (
        servers.system() as system,
        system.part("commander", "relay"),
        system.api("commander", "api", core=SERVER) as (port, process),
    ):
        yield Server(port, process, partial(publish_into, system))
        await audit_log(system.database)


@asynccontextmanager
async def _program(command: tuple[str | Path, ...], servers: Servers) -> AsyncIterator[Server]:
    port = free_port()
    log = servers.folder / f"{uuid4().hex}.log"
    process = await Process.started([*command, str(port)], {"NODE_ENV": "production"}, log, SERVER)
    try:
        await until_it_answers(process, f"http://127.0.0.1:{port}/publish")
        yield Server(port, process, partial(ask_to_publish, port))
    finally:
        await process.stop()


def _python(module: str) -> Callable[[Servers], AbstractAsyncContextManager[Server]]:
    return partial(_program, (sys.executable, "-m", module))


COMMANDER = Subject(
    "a",
    "Commander",
    _commander,
    filtered=f"subscription ($filter: EventFilter) {{ events(filter: $filter) {_ITEM} }}",
    filter_of=lambda stream: {"filter": {"streams": [stream]}},
)
GRAPHQL_WS_NODE = Subject("b", "graphql-ws on Node", partial(_program, ("node", GRAPHQL_WS)))
STRAWBERRY = Subject("c", "stock Strawberry", _python("bench.feed.peers.strawberry_feed"))
READY_MADE = Subject("d", "limit: ready-made frames through uvicorn", _python("bench.feed.limits.ready_made"))
BARE = Subject("d", "limit of the subscribers: bare sockets", _python("bench.feed.limits.bare"), load=10)
