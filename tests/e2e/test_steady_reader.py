"""A client that takes bytes is alive, however slowly; one that takes none is closed."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator

import psutil
import pytest

from tests.e2e.api_process import Api, api_beside
from tests.e2e.raw import Raw, frame
from tests.faults.waiting import until
from tests.system import System

TYPES = "__schema { types { name description fields { name description } } }"
LARGE = f"{{ {' '.join(f'a{n}: {TYPES}' for n in range(20))} }}"
"""The answer has about a megabyte."""
ANSWERS = 6
"""Together they are more than the buffers of a connection hold."""
CLOSE, PING, PONG = 0x88, 0x89, 0x8A


@pytest.fixture(scope="module")
def api(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A process that pings often, and waits for a second."""
    data_dir = tmp_path_factory.mktemp("api")
    with api_beside(
        system,
        data_dir,
        ping_seconds=0.5,
        ping_timeout_seconds=1,
        untaken_seconds=2,
    ) as api:
        yield api
        assert api.part.end() == 0
        assert not api.part.lines("Traceback"), api.part.log.read_text()


async def opened(api: Api) -> Raw:
    """A connection whose client's system takes little that the client does not read."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", api.port))
    return Raw(*await asyncio.open_connection(sock=sock, limit=1024))


async def asked_for_much(api: Api) -> Raw:
    """A WebSocket to which much is about to be sent."""
    raw = await opened(api)
    head = "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-protocol: graphql-transport-ws"
    key = "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="
    raw.writer.write(f"GET /graphql HTTP/1.1\r\nhost: localhost\r\n{head}\r\n{key}\r\n\r\n".encode())
    await raw.until(b"\r\n\r\n")
    raw.writer.write(frame({"type": "connection_init"}))
    await raw.until(b'"connection_ack"}')
    for n in range(ANSWERS):
        raw.writer.write(frame({"type": "subscribe", "id": str(n), "payload": {"query": LARGE}}))
    return raw


class Frames:
    """Reads frames, and answers pings, if it may."""

    def __init__(self, raw: Raw, *, answering: bool = True) -> None:
        self._raw = raw
        self._answering = answering
        self._read = bytearray()
        self.pings = 0

    async def next(self, pause_seconds: float) -> tuple[int, bytes]:
        """The next frame that is no ping: its kind and its payload. It reads 64 KiB, then pauses."""
        while True:
            if len(self._read) >= 2:
                size, start = self._read[1], 2
                if size >= 126:
                    start = 4 if size == 126 else 10
                    size = int.from_bytes(self._read[2:start], "big") if len(self._read) >= start else 2**31
                if len(self._read) >= start + size:
                    kind, payload = self._read[0], bytes(self._read[start : start + size])
                    del self._read[: start + size]
                    if kind != PING:
                        return kind, payload
                    self.pings += 1
                    if self._answering:
                        self._raw.writer.write(bytes((PONG, 0x80 | size)) + bytes(4) + payload)
            read = await self._raw.reader.read(64 * 1024)
            assert read, "the server ended the connection"
            self._read += read
            await asyncio.sleep(pause_seconds)


async def test_a_reader_that_is_slow_and_steady_stays_connected(api: Api) -> None:
    raw = await asked_for_much(api)
    try:
        frames = Frames(raw)
        complete = 0
        async with asyncio.timeout(60):
            while complete < ANSWERS:
                kind, payload = await frames.next(pause_seconds=0.06)
                assert kind != CLOSE, payload
                complete += json.loads(payload)["type"] == "complete"
        assert frames.pings < 10, "pings were late, and so were their answers"
    finally:
        raw.cut()


async def test_a_reader_that_takes_nothing_is_closed_with_a_code_that_it_can_see(api: Api) -> None:
    raw = await asked_for_much(api)
    try:
        await asyncio.sleep(2)
        frames = Frames(raw, answering=False)
        async with asyncio.timeout(60):
            while (found := await frames.next(0))[0] != CLOSE:
                pass
        assert found[1] == (1011).to_bytes(2, "big") + b"keepalive ping timeout"
    finally:
        raw.cut()


async def test_a_reader_that_never_takes_anything_is_forgotten(api: Api) -> None:
    over_http = await opened(api)
    body = json.dumps({"query": LARGE})
    head = f"content-type: application/json\r\ncontent-length: {len(body)}"
    over_http.writer.write(
        f"POST /graphql HTTP/1.1\r\nhost: localhost\r\n{head}\r\n\r\n{body}".encode() * ANSWERS
    )
    over_websocket = await asked_for_much(api)
    ports = {raw.writer.get_extra_info("sockname")[1] for raw in (over_http, over_websocket)}

    async def both_are_gone() -> bool:
        found = psutil.Process(api.part.process.pid).net_connections("tcp")
        return not ports & {connection.raddr[1] for connection in found if connection.raddr}

    try:
        assert not await both_are_gone()
        await until(both_are_gone, "the end of both connections")
    finally:
        over_http.cut()
        over_websocket.cut()
