"""A client that takes bytes is alive, however slowly; one that takes none is closed."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

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
ENDED = 0
"""In place of a frame's kind: the server has ended the connection."""


PACES = (1, 4, 16)
"""How many times longer than on a machine with nothing else to do all of a test takes."""


class TooBusy(Exception):
    """The machine was too busy for this pace: the reader was not as steady, or as late, as the test says."""


@asynccontextmanager
async def api_at(system: System, directory: Path, pace: int) -> AsyncIterator[Api]:
    """A process that pings often, and waits for a second, at the first pace."""
    with api_beside(
        system,
        directory,
        ping_seconds=0.5 * pace,
        ping_timeout_seconds=pace,
        untaken_seconds=2 * pace,
    ) as api:
        yield api
        assert api.part.end() == 0
        assert not api.part.lines("Traceback"), api.part.log.read_text()


async def at_the_pace_of_the_machine(
    system: System, directory: Path, turn: Callable[[Api, int], Awaitable[None]]
) -> None:
    """Takes the turn, and takes it again at a slower pace if the machine was too busy."""
    for pace in PACES:
        async with api_at(system, directory, pace) as api:
            try:
                async with asyncio.timeout(60 * pace):
                    return await turn(api, pace)
            except TooBusy:
                continue
    pytest.fail("the machine was too busy for each pace")


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
        self._read_at = asyncio.get_running_loop().time()
        self.pings = 0
        self.longest_seconds = 0.0
        """The longest that it took nothing."""

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
            before, self._read_at = self._read_at, asyncio.get_running_loop().time()
            self.longest_seconds = max(self.longest_seconds, self._read_at - before)
            if not read:
                return ENDED, b""
            self._read += read
            await asyncio.sleep(pause_seconds)


async def test_a_reader_that_is_slow_and_steady_stays_connected(system: System, tmp_path: Path) -> None:
    async def turn(api: Api, pace: int) -> None:
        raw = await asked_for_much(api)
        try:
            frames = Frames(raw)
            complete = 0
            while complete < ANSWERS:
                kind, payload = await frames.next(pause_seconds=0.06 * pace)
                if kind in (CLOSE, ENDED) and frames.longest_seconds > 0.5 * pace:
                    raise TooBusy
                assert kind not in (CLOSE, ENDED), payload
                complete += json.loads(payload)["type"] == "complete"
            assert frames.pings < 10, "pings were late, and so were their answers"
        finally:
            raw.cut()

    await at_the_pace_of_the_machine(system, tmp_path, turn)


async def test_a_reader_that_takes_nothing_is_closed_with_a_code_that_it_can_see(
    system: System, tmp_path: Path
) -> None:
    async def turn(api: Api, pace: int) -> None:
        raw = await asked_for_much(api)
        try:
            frames = Frames(raw, answering=False)
            await asyncio.sleep(2 * pace)
            while (found := await frames.next(0))[0] not in (CLOSE, ENDED):
                pass
            if found[0] == ENDED and frames.longest_seconds > 2.25 * pace:
                raise TooBusy
            assert found == (CLOSE, (1011).to_bytes(2, "big") + b"keepalive ping timeout")
        finally:
            raw.cut()

    await at_the_pace_of_the_machine(system, tmp_path, turn)


async def test_a_reader_that_never_takes_anything_is_forgotten(system: System, tmp_path: Path) -> None:
    async with api_at(system, tmp_path, pace=1) as api:
        await forgotten(api)


async def forgotten(api: Api) -> None:
    """Returns once the process has no connection left to a reader that takes nothing."""
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
