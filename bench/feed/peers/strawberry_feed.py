"""The same subscription through Strawberry as it comes: a generator per subscriber, fed from memory.

As a process: argv is the port. POST /publish begins to publish and answers at once. It runs on the uvicorn,
uvloop and Strawberry that Commander runs on, with the options of uvicorn that `commander api` uses.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute
from strawberry.asgi import GraphQL

from bench.feed.publishing import Publication, account_of, publish_route
from bench.pacing import due


@strawberry.interface
class FeedItem:
    position: str


@strawberry.interface
class Event(FeedItem):
    type: str
    stream: str
    version: int


@strawberry.type
class MoneyDeposited(Event):
    account_id: str
    amount: str


@strawberry.type
class CaughtUp(FeedItem):
    pass


class Hub:
    """Hands each event to the queues of all subscribers."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[Event]] = set()
        self._published = 0

    async def subscribe(self, stream: str | None) -> AsyncIterator[FeedItem]:
        queue: asyncio.Queue[Event] = asyncio.Queue()
        self._queues.add(queue)
        try:
            yield CaughtUp(position=str(self._published))
            while True:
                event = await queue.get()
                if stream is None or event.stream == stream:
                    yield event
        finally:
            self._queues.discard(queue)

    async def publish(self, publication: Publication) -> None:
        async for numbers in due(publication.events, publication.per_second):
            for number in numbers:
                event = self._next(number, publication.streams)
                for queue in self._queues:
                    queue.put_nowait(event)

    def _next(self, number: int, streams: int) -> Event:
        account = account_of(number % streams)
        self._published += 1
        return MoneyDeposited(
            position=str(self._published),
            type="MoneyDeposited",
            stream=f"account-{account}",
            version=number // streams + 1,
            account_id=str(account),
            amount="1.00",
        )


hub = Hub()


@strawberry.type
class Query:
    ok: bool = True


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def events(self, stream: str | None = None) -> AsyncIterator[FeedItem]:
        async for item in hub.subscribe(stream):
            yield item


schema = strawberry.Schema(Query, subscription=Subscription, types=[MoneyDeposited, CaughtUp])
endpoint: GraphQL[None, None] = GraphQL(schema)
app = Starlette(
    routes=[publish_route(hub.publish), Route("/graphql", endpoint), WebSocketRoute("/graphql", endpoint)]
)

if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        ws="websockets-sansio",
        log_level="warning",
        access_log=False,
        lifespan="off",
    )
