"""Subscriptions without a client library: bytes on a socket, to be cut, or left without answers, at will."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from dataclasses import dataclass
from typing import Any

FEED = "subscription { events { __typename } }"
_ACCEPT = {"sse": "text/event-stream", "multipart": "multipart/mixed;subscriptionSpec=1.0"}
_SUBSCRIBE = {"graphql-transport-ws": "subscribe", "graphql-ws": "start"}
KINDS = (*_ACCEPT, *_SUBSCRIBE)


@dataclass(frozen=True)
class Raw:
    """A connection. Of what it receives nothing is answered, no ping either."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def until(self, text: bytes) -> bytes:
        """What came, up to this text. Raises IncompleteReadError when the connection ends first."""
        return await asyncio.wait_for(self.reader.readuntil(text), 20)

    async def rest(self) -> bytes:
        """What comes until the server ends the connection."""
        try:
            return await asyncio.wait_for(self.reader.read(), 20)
        finally:
            self.writer.close()

    def cut(self) -> None:
        """Ends it as a network does that breaks: with a reset, without a word."""
        if self.writer.is_closing():
            return
        sock: socket.socket = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


async def connected(port: int, kind: str, query: str = FEED) -> Raw:
    """A connection of this kind: a request for a stream that was sent, or a WebSocket that was accepted."""
    raw = Raw(*await asyncio.open_connection("127.0.0.1", port))
    if kind in _ACCEPT:
        body = json.dumps({"query": query})
        head = f"accept: {_ACCEPT[kind]}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
        raw.writer.write(
            f"POST /graphql HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{head}\r\n\r\n{body}".encode()
        )
        return raw
    head = f"upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-protocol: {kind}"
    key = "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="
    raw.writer.write(f"GET /graphql HTTP/1.1\r\nhost: localhost\r\n{head}\r\n{key}\r\n\r\n".encode())
    await raw.until(b"\r\n\r\n")
    return raw


async def subscribed(port: int, kind: str, query: str = FEED, begun: bytes = b"CaughtUp") -> Raw:
    """A connection of this kind whose subscription has come to the end of the log: it has sent `begun`."""
    raw = await connected(port, kind, query)
    try:
        if kind in _SUBSCRIBE:
            raw.writer.write(frame({"type": "connection_init"}))
            raw.writer.write(frame({"type": _SUBSCRIBE[kind], "id": "1", "payload": {"query": query}}))
        await raw.until(begun)
    except BaseException:
        raw.cut()
        raise
    return raw


def frame(message: dict[str, Any]) -> bytes:
    """A WebSocket's text frame, as a client masks it (with zeros)."""
    payload = json.dumps(message).encode()
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + size.to_bytes(2, "big")
    return b"\x81" + length + bytes(4) + payload
