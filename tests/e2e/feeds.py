"""The feed over each transport that the API offers: the items as dicts, in the order they came."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import httpx
from gql import Client, GraphQLRequest
from gql.transport.websockets import WebsocketsTransport

from tests.e2e.sockets import LEGACY_WS, TRANSPORT_WS, socket_to, start
from tests.system import NO_TLS, System

Item = dict[str, Any]
Feed = Callable[..., AsyncGenerator[Item, None]]

FEED = """subscription ($after: Position, $filter: EventFilter) {
  events(after: $after, filter: $filter) {
    __typename position
    ... on Event { type stream version commandId }
    ... on MoneyDeposited { amount }
  }
}"""


async def transport_ws(system: System, **variables: Any) -> AsyncGenerator[Item, None]:
    """graphql-transport-ws, with the package gql."""
    transport = WebsocketsTransport(
        url=system.ws_url, subprotocols=[TRANSPORT_WS], connect_args={"proxy": None}
    )
    async with Client(transport=transport) as session:
        results = session.subscribe(GraphQLRequest(FEED, variable_values=variables))
        async with aclosing(results):
            async for result in results:
                yield result["events"]


async def legacy_ws(system: System, **variables: Any) -> AsyncGenerator[Item, None]:
    """graphql-ws, the protocol of subscriptions-transport-ws, by hand."""
    async with socket_to(system, LEGACY_WS) as socket:
        await socket.send(start(FEED, variables=variables))
        while (message := await socket.receive())["type"] == "data":
            yield message["payload"]["data"]["events"]


async def server_sent_events(system: System, **variables: Any) -> AsyncGenerator[Item, None]:
    """POST with Accept: text/event-stream."""
    async with aclosing(_lines(system, "text/event-stream", variables)) as lines:
        async for line in lines:
            if line.startswith("data: {"):
                yield json.loads(line.removeprefix("data: "))["data"]["events"]


async def multipart(system: System, **variables: Any) -> AsyncGenerator[Item, None]:
    """POST with Accept: multipart/mixed, the protocol of Apollo's router; empty parts are its heartbeats."""
    accept = "multipart/mixed;subscriptionSpec=1.0, application/json"
    async with aclosing(_lines(system, accept, variables)) as lines:
        async for line in lines:
            if line.startswith('{"payload"'):
                yield json.loads(line)["payload"]["data"]["events"]


async def _lines(system: System, accept: str, variables: dict[str, Any]) -> AsyncGenerator[str, None]:
    body = {"query": FEED, "variables": variables}
    async with (
        httpx.AsyncClient(timeout=20, verify=NO_TLS) as client,
        client.stream("POST", system.url, json=body, headers={"accept": accept}) as response,
    ):
        assert response.headers["content-type"].startswith(accept.partition(";")[0]), response
        assert response.headers["cache-control"] == "no-cache, no-transform"
        assert response.headers["x-accel-buffering"] == "no"
        async for line in response.aiter_lines():
            yield line


TRANSPORTS: list[Feed] = [transport_ws, legacy_ws, server_sent_events, multipart]


async def take(items: AsyncGenerator[Item, None], count: int) -> list[Item]:
    """The next `count` items."""
    async with asyncio.timeout(20):
        return [await anext(items) for _ in range(count)]


async def until_caught_up(items: AsyncGenerator[Item, None]) -> list[Item]:
    """The items before CaughtUp."""
    found: list[Item] = []
    async with asyncio.timeout(20):
        while (item := await anext(items))["__typename"] != "CaughtUp":
            found.append(item)
    return found
