"""The feed by the client libraries people use: each loses its connection, comes back, and misses nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from gql import Client, GraphQLRequest
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.exceptions import TransportError
from gql.transport.websockets import WebsocketsTransport

from tests.e2e.bank import apply, opened
from tests.e2e.feeds import FEED, Item
from tests.e2e.nodejs import installed, printed, script
from tests.e2e.proxy import Proxy
from tests.e2e.sockets import TRANSPORT_WS
from tests.system import System

JAVASCRIPT = [
    *("graphql-ws", "graphql-sse", "EventSource"),
    *("apollo over graphql-ws", "apollo over multipart"),
    *("urql over graphql-ws", "urql over SSE"),
]
PYTHON: dict[str, Callable[[str], Any]] = {
    "gql over websockets": lambda url: WebsocketsTransport(
        url=url.replace("http", "ws"), subprotocols=[TRANSPORT_WS], connect_args={"proxy": None}
    ),
    "gql over multipart": lambda url: AIOHTTPTransport(url=url),
}
Next = Callable[[], Any]


@asynccontextmanager
async def following_in_javascript(name: str, url: str, variables: dict[str, Any]) -> AsyncIterator[Next]:
    installed()
    async with script("follow.js", name, url, "1000", FEED, json.dumps(variables)) as process:
        yield lambda: printed(process)


@asynccontextmanager
async def following_in_python(name: str, url: str, variables: dict[str, Any]) -> AsyncIterator[Next]:
    async with aclosing(_follow(PYTHON[name], url, dict(variables))) as items:
        yield lambda: asyncio.wait_for(anext(items), 20)


async def _follow(transport: Callable[[str], Any], url: str, variables: dict[str, Any]) -> Any:
    while True:
        try:
            async for result in _results(transport(url), variables):
                item: Item = result["events"]
                variables["after"] = item["position"]
                yield item
        except (TransportError, OSError):
            pass
        await asyncio.sleep(0.05)  # as a client waits before it tries again


async def _results(transport: Any, variables: dict[str, Any]) -> Any:
    async with Client(transport=transport) as session:
        async for result in session.subscribe(GraphQLRequest(FEED, variable_values=variables)):
            yield result


@pytest.mark.parametrize("name", [*JAVASCRIPT, *PYTHON])
async def test_a_client_that_loses_its_connection_resumes_and_sees_each_event_once(
    system: System, name: str
) -> None:
    account = opened(system, balance="1.00")
    deposit = {"accountId": account, "amount": "1.00"}
    variables = {"after": "0", "filter": {"streams": [f"account-{account}"]}}
    follow = following_in_python if name in PYTHON else following_in_javascript
    seen: list[Item] = []

    async def until_version(version: int) -> None:
        while not seen or seen[-1].get("version") != version:
            seen.append(await next_item())

    async with (
        Proxy(system.port) as proxy,
        follow(name, f"http://127.0.0.1:{proxy.port}/graphql", variables) as next_item,
    ):
        await until_version(2)
        await asyncio.to_thread(apply, system, "deposit", deposit)
        await until_version(3)
        connections = proxy.connections
        proxy.cut()
        await asyncio.to_thread(apply, system, "deposit", deposit)
        proxy.mend()
        await until_version(4)
        assert proxy.connections > connections
        await asyncio.to_thread(apply, system, "deposit", deposit)
        await until_version(5)
    events = [item for item in seen if item["__typename"] not in ("CaughtUp", "Heartbeat", "StandsStill")]
    assert [event["version"] for event in events] == [1, 2, 3, 4, 5]
    positions = [int(event["position"]) for event in events]
    assert positions == sorted(set(positions))
