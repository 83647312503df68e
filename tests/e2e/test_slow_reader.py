"""A client that hardly reads delays nobody, costs no memory, and in the end has every event."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from functools import partial

import psutil

from commander.cli.joining import join
from commander.dev.embedded import EmbeddedNats
from commander.eventstore.database import Database
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.signals import log_signals
from tests.e2e.parts import Parts
from tests.e2e.raw import Raw, frame
from tests.streaming.filling import fill

EVENTS = 100_000
FEED = "subscription{events{position}}"
UNBOUNDED = "3600"
"""The readers answer no ping, and one byte a second opens a window only now and then. A busy
machine needs longer than the server waits for either. When it ends a connection: test_steady_reader.py."""
_POSITION = re.compile(rb'"position":"(\d+)"')


class Reader:
    """A subscriber that notes the positions that it was sent."""

    def __init__(self, raw: Raw) -> None:
        self.positions: list[int] = []
        self._raw = raw
        self._left = b""

    @classmethod
    async def subscribed(cls, port: int, receive_bytes: int | None = None) -> Reader:
        """receive_bytes: how much the system takes off the network before it is read."""
        sock = socket.socket()
        if receive_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        raw = Raw(*await asyncio.open_connection(sock=sock, limit=1024))
        head = "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-protocol: graphql-transport-ws"
        key = "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="
        raw.writer.write(f"GET /graphql HTTP/1.1\r\nhost: localhost\r\n{head}\r\n{key}\r\n\r\n".encode())
        await raw.until(b"\r\n\r\n")
        raw.writer.write(frame({"type": "connection_init"}))
        raw.writer.write(frame({"type": "subscribe", "id": "1", "payload": {"query": FEED}}))
        await raw.until(b'"position":"0"')  # CaughtUp
        return cls(raw)

    async def read(self, count: int, size: int = 2**16) -> None:
        """Reads on until it has so many positions."""
        while len(self.positions) < count:
            self._take(await self._raw.reader.read(size))

    async def dawdle(self) -> None:
        """Reads one byte a second, until cancelled."""
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                await asyncio.sleep(1)
                self._take(await self._raw.reader.read(1))

    def cut(self) -> None:
        self._raw.cut()

    def _take(self, read: bytes) -> None:
        assert read, "the server ended the connection"
        text = self._left + read
        end = 0
        for match in _POSITION.finditer(text):
            self.positions.append(int(match[1]))
            end = match.end()
        self._left = text[max(end, len(text) - 64) :]


async def test_one_byte_a_second_delays_nobody_and_misses_nothing(
    parts: Parts, database_url: str, nats_server: EmbeddedNats
) -> None:
    start = partial(
        parts.start,
        "api",
        "relay",
        fork=False,
        COMMANDER_PING_SECONDS=UNBOUNDED,
        COMMANDER_UNTAKEN_SECONDS=UNBOUNDED,
    )
    api, _ = await asyncio.to_thread(start)
    memory = psutil.Process(api.process.process.pid).memory_info
    database, nats = Database(database_url), Nats(nats_server.url)
    await join(nats, database)
    await nats.connect("test")
    others = [await Reader.subscribed(api.port) for _ in range(3)]
    slow = await Reader.subscribed(api.port, receive_bytes=4096)
    dawdling = asyncio.create_task(slow.dawdle())
    try:
        reading = [asyncio.create_task(other.read(EVENTS)) for other in others]
        before = memory().rss
        most = 0
        for _ in range(EVENTS // 5000):
            events = await fill(database, 5000)
            await nats.publish_signals(log_signals(nats.names, events))
            most = max(most, memory().rss)
        async with asyncio.timeout(240):
            await asyncio.gather(*reading)
        assert len(slow.positions) < EVENTS // 10, "it has hardly begun"
        assert (most - before) / 2**20 < 60, "the tail, and no backlog of the slow one"
        dawdling.cancel()
        await asyncio.wait([dawdling])
        async with asyncio.timeout(240):
            await slow.read(EVENTS)
    finally:
        dawdling.cancel()
        for reader in (*others, slow):
            reader.cut()
        await nats.close()
        await database.close()
    everything = list(range(1, EVENTS + 1))
    assert [reader.positions for reader in (*others, slow)] == [everything] * 4
