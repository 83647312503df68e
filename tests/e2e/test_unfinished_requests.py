"""Clients that do not finish what they begin: each has its time, and none leaves a traceback in the log."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.e2e.api_process import Api, api_beside
from tests.e2e.raw import Raw, connected
from tests.faults.waiting import until
from tests.system import System

HEAD = b"POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
ASKED = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n"
MOST = 101
"""The connections of a process that takes one stream."""


@pytest.fixture(scope="module")
def api(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A process that waits for a second at most."""
    seconds: dict[str, Any] = {f"{name}_seconds": 1 for name in ("request_head", "request_body", "idle")}
    data_dir = tmp_path_factory.mktemp("api")
    with api_beside(system, data_dir, max_connections=1, **seconds) as api:
        yield api
        assert api.part.end() == 0
        logged = api.part.log.read_text()
        assert not api.part.lines("Traceback"), logged
        assert not api.part.lines("ERROR"), logged


@asynccontextmanager
async def sent(api: Api, begin: bytes) -> AsyncIterator[Raw]:
    raw = Raw(*await asyncio.open_connection("127.0.0.1", api.port))
    try:
        raw.writer.write(begin)
        yield raw
    finally:
        raw.cut()


async def trickled(raw: Raw, piece: bytes) -> bytes:
    """What comes until the server ends the connection, while a piece is sent again and again."""

    async def trickle() -> None:
        while True:
            raw.writer.write(piece)
            await asyncio.sleep(0.1)

    trickling = asyncio.create_task(trickle())
    try:
        return await raw.rest()
    except ConnectionResetError:
        return b""
    finally:
        trickling.cancel()


@pytest.mark.parametrize(
    "begin",
    [
        HEAD + b"content-length: 100\r\n\r\n{",
        HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\n{",
        HEAD + b"expect: 100-continue\r\ncontent-length: 100\r\n\r\n",
        HEAD,
        b"",
    ],
    ids=["length", "chunks", "continue", "head", "nothing"],
)
async def test_an_upload_that_is_cut_is_no_error(api: Api, begin: bytes) -> None:
    async with sent(api, begin) as raw:
        await raw.writer.drain()
        await asyncio.sleep(0.05)
    async with sent(api, ASKED) as other:  # the server has seen the end of the first one
        await other.until(b'{"live":true}')


LATE = {
    HEAD + b"x: ": "the head of the request was not sent in time",
    HEAD + b"content-length: 100000\r\n\r\n": "the body of the request was not sent in time",
    ASKED + HEAD + b"x: ": "the head of the request was not sent in time",
}


async def test_a_request_that_is_not_finished_in_time_is_answered_with_408(api: Api) -> None:
    async def unfinished(begin: bytes, piece: bytes, late: str) -> None:
        began = time.monotonic()
        async with sent(api, begin) as raw:
            answer = await trickled(raw, piece)
        assert time.monotonic() - began >= 1
        assert b"HTTP/1.1 408 Request Timeout\r\n" in answer, (begin, piece)
        body = json.loads(answer.rpartition(b"\r\n\r\n")[2])
        assert body == {"errors": [{"message": late, "extensions": {"code": "BAD_REQUEST"}}]}

    await asyncio.gather(
        *(unfinished(begin, piece, late) for begin, late in LATE.items() for piece in (b"", b"x"))
    )


async def test_a_connection_on_which_nothing_is_asked_is_closed(api: Api) -> None:
    async def idle(begin: bytes, piece: bytes) -> None:
        async with sent(api, begin) as raw:
            answer = await trickled(raw, piece)
        assert b" 408 " not in answer
        assert answer.endswith(b'{"live":true}') == bool(begin)

    await asyncio.gather(*(idle(begin, piece) for begin in (b"", ASKED) for piece in (b"", b"\r\n")))


@pytest.mark.parametrize(
    "begin",
    [
        HEAD + b"x: " + b"y" * 1000,
        HEAD + b"transfer-encoding: chunked\r\n\r\n1;",
        HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\nx: ",
        b"GET /",
    ],
    ids=["header", "chunk", "trailer", "URL"],
)
async def test_a_head_without_end_is_refused(api: Api, begin: bytes) -> None:
    async with sent(api, begin) as raw:
        await asyncio.sleep(0.05)  # not in the same packet
        raw.writer.write(b"z" * 70_000)
        answer = await raw.until(b"}]}")
    assert answer.startswith(b"HTTP/1.1 431 ")


async def test_a_request_for_a_websocket_with_a_long_header_is_refused(api: Api) -> None:
    head = b"GET /graphql HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    async with sent(api, head + b"x: " + b"y" * 20_000 + b"\r\n\r\n") as raw:
        assert b" 431 " in await raw.rest()


@pytest.mark.parametrize(
    "frames",
    [b"\x81\x82\0\0\0\0\xff\xfe", b"\x01\x81\0\0\0\0\xc3" + b"\x80\x81\0\0\0\0\x28"],
    ids=["one frame", "two frames"],
)
async def test_text_that_is_not_utf_8_closes_a_websocket_with_1007(api: Api, frames: bytes) -> None:
    raw = await connected(api.port, "graphql-transport-ws")
    raw.writer.write(frames)
    assert await raw.rest() == b"\x88\x1a" + (1007).to_bytes(2, "big") + b"the message is not UTF-8"


async def test_connections_beyond_the_limit_are_refused(api: Api) -> None:
    there = [await asyncio.open_connection("127.0.0.1", api.port) for _ in range(MOST)]
    try:
        async with sent(api, b"") as raw:
            answer = await raw.rest()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nretry-after: 5\r\n" in answer
        assert b'"code": "OVERLOADED"' in answer
    finally:
        for _, writer in there:
            writer.close()

    async def there_is_room() -> bool:
        async with sent(api, ASKED) as raw:
            return b'{"live":true}' in await raw.until(b"}")

    await until(there_is_room, "room for a connection")
