"""d: uvicorn sends one ready-made text frame to all clients, and does nothing else.

As a process: argv is the port.
"""

from __future__ import annotations

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.types import Receive, Scope, Send

from bench.feed.limits.conversation import ACKNOWLEDGED, caught_up, event, kind_of
from bench.feed.publishing import Publication, publish_route
from bench.pacing import due


class Subscribers:
    """An ASGI application for WebSockets; `publish` sends to all of them."""

    def __init__(self) -> None:
        self._sends: list[Send] = []
        self._published = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept", "subprotocol": "graphql-transport-ws"})
        while (message := await receive())["type"] == "websocket.receive":
            if kind_of(message["text"]).type == "connection_init":
                await send({"type": "websocket.send", "text": ACKNOWLEDGED})
            else:
                await send({"type": "websocket.send", "text": caught_up(self._published)})
                self._sends.append(send)
        if send in self._sends:
            self._sends.remove(send)

    async def publish(self, publication: Publication) -> None:
        async for numbers in due(publication.events, publication.per_second):
            for number in numbers:
                self._published += 1
                text = event(self._published, number, publication.streams)
                for send in self._sends:
                    await send({"type": "websocket.send", "text": text})


subscribers = Subscribers()
app = Starlette(routes=[publish_route(subscribers.publish), WebSocketRoute("/graphql", subscribers)])

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
