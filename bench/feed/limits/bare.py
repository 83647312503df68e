"""d: the limit of the subscribers: all that is due in one write to each socket, without a web server.

As a process: argv is the port. It takes from HTTP what the subscribers and the benchmark send, and no more.
"""

from __future__ import annotations

import asyncio
import sys
from base64 import b64encode
from hashlib import sha1
from typing import cast

import msgspec
import uvloop

from bench.feed.frames import server_frame
from bench.feed.limits.conversation import ACKNOWLEDGED, caught_up, event
from bench.feed.publishing import Publication
from bench.pacing import due

_KEY = b"sec-websocket-key:"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455


class Hub:
    def __init__(self) -> None:
        self.transports: set[asyncio.WriteTransport] = set()
        self.published = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, publication: Publication) -> None:
        task = asyncio.get_running_loop().create_task(self._publish(publication))
        self._tasks.add(task)

    async def _publish(self, publication: Publication) -> None:
        async for numbers in due(publication.events, publication.per_second):
            frames = b"".join(self._frame(number, publication.streams) for number in numbers)
            for transport in self.transports:
                transport.write(frames)

    def _frame(self, number: int, streams: int) -> bytes:
        self.published += 1
        return server_frame(event(self.published, number, streams).encode())


class Connection(asyncio.Protocol):
    """A request of HTTP; after an upgrade, a subscriber that sends one message and then another."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._received = b""
        self._upgraded = False
        self._acknowledged = False
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._transport is not None:
            self._hub.transports.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None, "connected"
        if not self._upgraded:
            self._received += data
            head, separator, body = self._received.partition(b"\r\n\r\n")
            if separator:
                self._request(self._transport, head, body)
        elif not self._acknowledged:
            self._acknowledged = True
            self._transport.write(server_frame(ACKNOWLEDGED.encode()))
        elif self._transport not in self._hub.transports:
            self._transport.write(server_frame(caught_up(self._hub.published).encode()))
            self._hub.transports.add(self._transport)

    def _request(self, transport: asyncio.WriteTransport, head: bytes, body: bytes) -> None:
        lower = head.lower()
        if _KEY in lower:
            begin = lower.index(_KEY) + len(_KEY)
            key = head[begin:].partition(b"\r\n")[0].strip()
            accept = b64encode(sha1(key + _GUID, usedforsecurity=False).digest())
            transport.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Protocol: graphql-transport-ws\r\nSec-WebSocket-Accept: "
                + accept
                + b"\r\n\r\n"
            )
            self._upgraded = True
            return
        if head.startswith(b"POST"):
            if not body:
                return
            self._hub.begin(msgspec.json.decode(body, type=Publication))
        transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        transport.close()


async def serve(port: int) -> None:
    hub = Hub()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(hub), "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1])))
