"""The HTTP server of the parts that serve no API: what it answers, and what it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from commander.dev.embedded import free_port
from commander.parts.status_server import Answer, CannotListen, StatusServer
from tests.system import NO_TLS


async def answer() -> Answer:
    return Answer(503, "application/json", b'{"ready":false}')


async def large() -> Answer:
    """An answer that soon fills the buffers of a client that does not read."""
    return Answer(200, "text/plain", b"x" * 1024 * 1024)


@asynccontextmanager
async def serving() -> AsyncIterator[int]:
    """A server with one path; its port."""
    port = free_port()
    server = StatusServer({"/health/ready": answer}, "127.0.0.1", port)
    task = asyncio.create_task(server.serve())
    try:
        while not await listening(port):
            assert not task.done(), task.result()
        yield port
    finally:
        server.stop()
        async with asyncio.timeout(30):
            await task


async def listening(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def exchanged(port: int, sent: bytes) -> bytes:
    """All that comes back on a connection until the server closes it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    async with asyncio.timeout(30):
        received = await reader.read()
    writer.close()
    return received


async def test_each_path_answers_get_and_head_on_one_connection() -> None:
    async with serving() as port, httpx.AsyncClient(verify=NO_TLS) as client:
        url = f"http://127.0.0.1:{port}/health/ready?verbose=1"
        for _ in range(2):
            got = await client.get(url)
            assert (got.status_code, got.json()) == (503, {"ready": False})
            assert got.headers["content-type"] == "application/json"
        head = await client.head(url)
        assert (head.status_code, head.headers["content-length"], head.content) == (503, "15", b"")
        assert (await client.get(f"http://127.0.0.1:{port}/")).status_code == 404
        assert (await client.post(url, content=b"{}")).status_code == 405


async def test_pipelined_requests_are_answered_in_their_order() -> None:
    async with serving() as port:
        one = b"GET /health/ready HTTP/1.1\r\nhost: x\r\n\r\n"
        last = b"GET /other HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        received = await exchanged(port, one + last)
    assert [line.split()[1] for line in received.split(b"\r\n") if b"HTTP/1.1" in line] == [b"503", b"404"]


async def test_a_client_of_http_1_0_sees_the_connection_end() -> None:
    async with serving() as port:
        assert (await exchanged(port, b"GET /health/ready HTTP/1.0\r\n\r\n")).endswith(b'{"ready":false}')


async def test_an_offer_of_another_protocol_is_passed_over() -> None:
    async with serving() as port:
        offer = b"GET /health/ready HTTP/1.1\r\nupgrade: h2c\r\nconnection: upgrade, close\r\n\r\n"
        assert (await exchanged(port, offer)).startswith(b"HTTP/1.1 503 ")


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"GET /health/ready HTTP/1.1\r\n" + b"x: y\r\n" * 20_000,
    ],
    ids=["TLS", "endless headers"],
)
async def test_what_is_no_such_request_is_refused(sent: bytes) -> None:
    async with serving() as port:
        assert (await exchanged(port, sent)).startswith(b"HTTP/1.1 400 Bad Request\r\n")


async def test_stopping_does_not_wait_for_idle_clients() -> None:
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(30):
        assert await reader.read() == b""
    writer.close()


async def test_an_address_that_is_taken_is_named() -> None:
    async with serving() as port:
        with pytest.raises(CannotListen, match=f"cannot listen on 127.0.0.1:{port}: "):
            await StatusServer({}, "127.0.0.1", port).serve()


@pytest.mark.parametrize("idle_seconds", [0.2, 60.0])
async def test_a_client_that_does_not_read_ends_in_time_and_does_not_hold_up_the_stop(
    monkeypatch: pytest.MonkeyPatch, idle_seconds: float
) -> None:
    monkeypatch.setattr("commander.parts.status_server._IDLE_SECONDS", idle_seconds)
    port = free_port()
    server = StatusServer({"/": large}, "127.0.0.1", port)
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(10):
        while not await listening(port):
            await asyncio.sleep(0.01)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n" * 100)
        while not any(client.transport.get_write_buffer_size() for client in server._clients):
            await asyncio.sleep(0.01)
        [conversation] = server._conversations
        if idle_seconds < 1:
            await asyncio.wait([conversation])
        server.stop()
        await serving
    assert conversation.done()
    assert not conversation.cancelled()
    assert conversation.exception() is None
    writer.close()
