"""A client that follows the log over a WebSocket and resumes at its cursor after whatever happens."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

from gql import Client, GraphQLRequest, gql
from gql.transport.exceptions import TransportError, TransportQueryError
from gql.transport.websockets import WebsocketsTransport
from websockets.exceptions import WebSocketException

from tests.faults.waiting import until

_EVENTS = gql("""
subscription ($after: Position) {
  events(after: $after) { __typename position ... on Event { type stream version commandId } }
}""")
_NO_EVENTS = ("CaughtUp", "Heartbeat", "StandsStill")


class Subscriber:
    """Subscribes to what comes from now on, from entering until leaving.

    items: all that came, in order, over all connections. The first is CaughtUp: where it began.
    """

    def __init__(self, url: str) -> None:
        self.cursor: int | None = None
        self.items: list[dict[str, Any]] = []
        self.connections = 0
        self._url = url
        self._leaving = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Subscriber:
        self._task = asyncio.create_task(self._run())
        await self.until(lambda: self.items, "the subscriber hears where the log stands")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None, "it was entered"
        self._leaving = True
        while not self._task.done():  # gql may take a cancellation for the end of its connection
            self._task.cancel()
            await asyncio.wait([self._task], timeout=0.5)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [item for item in self.items if item["__typename"] not in _NO_EVENTS]

    @property
    def began_after(self) -> int:
        assert self.items[0]["__typename"] == "CaughtUp"
        return int(self.items[0]["position"])

    async def until(self, condition: Any, what: str, *, timeout_seconds: float = 30) -> float:
        """As tests.faults.waiting.until; fails at once when the subscription itself failed."""

        def held() -> bool:
            if self._task is not None and self._task.done():
                self._task.result()
            return bool(condition())

        return await until(held, what, timeout_seconds=timeout_seconds)

    async def until_position(self, position: int) -> None:
        await self.until(lambda: (self.cursor or 0) >= position, f"the subscriber sees position {position}")

    def assert_each_position_once(self) -> None:
        """Every event after the first cursor came exactly once, in order; no mark ran ahead of the events."""
        positions = [event["position"] for event in self.events]
        assert positions == list(range(self.began_after + 1, self.began_after + 1 + len(positions)))
        last = self.began_after
        for item in self.items:
            if item["__typename"] in _NO_EVENTS:
                assert item["position"] == last, f"{item} behind position {last}"
            last = item["position"]

    async def _run(self) -> None:
        while not self._leaving:
            try:
                await self._follow()
            except TransportQueryError as error:
                codes = {e.get("extensions", {}).get("code") for e in error.errors or []}
                if codes != {"UNAVAILABLE"}:
                    raise
            except (TransportError, WebSocketException, OSError, TimeoutError):
                pass  # the API is away
            await asyncio.sleep(0.1)

    async def _follow(self) -> None:
        client = Client(transport=WebsocketsTransport(self._url), fetch_schema_from_transport=False)
        async with client as session:
            self.connections += 1
            request = GraphQLRequest(_EVENTS, variable_values={"after": self.cursor})
            async for result in session.subscribe(request):
                item: dict[str, Any] = result["events"]
                item["position"] = int(item["position"])
                self.items.append(item)
                self.cursor = item["position"]
