"""How soon streams end: of a subject that is revoked, and of tokens that all expire at once."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import jwt
from websockets import ClientConnection, Subprotocol, connect
from websockets.exceptions import ConnectionClosed

from bench.identity.plan import Bench
from bench.measuring import Measure
from bench.processes import MeasurementFailed
from commander.streaming.revocations import REVOKED

SECRET = "a secret of the benchmark, long enough"
FOLLOW = 'subscription { events(after: "0") { __typename position } }'
AT_ONCE = 50
LIFE_SECONDS = 60


def ended(what: str, transport: str) -> str:
    """The name of the time until the last of all streams has ended."""
    return f"{what}: the last stream has ended, {transport}"


def cpu(what: str, transport: str) -> str:
    """The name of the CPU time of the API meanwhile."""
    return f"{what}: CPU time of the API, {transport}"


ONE_OF_MANY = "one of many is revoked: its stream has ended"


async def measure_ending(bench: Bench) -> list[Measure]:
    """Each kind of stream with one subject, with a subject each, and with tokens that expire together."""
    count = bench.plan.subscribers
    measures = []
    async with (
        bench.system() as system,
        system.api("commander", "api", COMMANDER_AUTH="jwt", COMMANDER_AUTH_SECRET=SECRET) as (port, api),
    ):

        async def revoke(subject: str) -> float:
            began = time.time()
            await system.nats.client.publish(REVOKED, subject.encode())
            await system.nats.client.flush()
            return began

        for transport, opened in (("SSE", _event_stream), ("WebSocket", _socket)):
            tokens = [_token(f"all by {transport}", 3600)] * count
            async with _open(opened, port, tokens) as ends:
                spent = api.cpu_seconds()
                began = await revoke(f"all by {transport}")
                found = await _all(ends)
                spent = api.cpu_seconds() - spent
            measures += _measured("a subject is revoked", transport, began, found, spent)
            tokens = [_token(f"{n} by {transport}", LIFE_SECONDS) for n in range(count)]
            last_expires = int(time.time()) + LIFE_SECONDS
            async with _open(opened, port, tokens) as ends:
                if time.time() > last_expires - 2:
                    raise MeasurementFailed("opening the streams took longer than their tokens live")
                began = await revoke(f"0 by {transport}")
                first = await asyncio.wait_for(ends[0], 30)
                measures.append(Measure(f"{ONE_OF_MANY}, {transport}", "ms", (first - began) * 1000))
                spent = api.cpu_seconds()
                found = await _all(ends[1:])
                spent = api.cpu_seconds() - spent
            measures += _measured("all tokens expire", transport, last_expires, found, spent)
    return measures


def _measured(what: str, transport: str, began: float, found: list[float], spent: float) -> list[Measure]:
    return [
        Measure(ended(what, transport), "ms", (max(found) - began) * 1000),
        Measure(cpu(what, transport), "ms", spent * 1000),
    ]


def _token(subject: str, seconds: int) -> str:
    """The times in a token are whole seconds."""
    now = int(time.time())
    return jwt.encode({"sub": subject, "iat": now - 1, "exp": now + seconds}, SECRET, algorithm="HS256")


async def _all(ends: list[asyncio.Task[float]]) -> list[float]:
    async with asyncio.timeout(LIFE_SECONDS + 60):
        return list(await asyncio.gather(*ends))


Opened = Callable[[int, str], AsyncIterator[None]]


@asynccontextmanager
async def _open(opened: Opened, port: int, tokens: list[str]) -> AsyncIterator[list[asyncio.Task[float]]]:
    """So many streams, each of which follows the log: tasks that give the time at which each ends."""
    turns = asyncio.Semaphore(AT_ONCE)
    live: list[asyncio.Event] = [asyncio.Event() for _ in tokens]

    async def follow(token: str, is_live: asyncio.Event) -> float:
        stream = opened(port, token)
        async with turns:
            await anext(stream)
        is_live.set()
        await anext(stream, None)
        return time.time()

    ends = [asyncio.create_task(follow(*given)) for given in zip(tokens, live, strict=True)]
    try:
        async with asyncio.timeout(LIFE_SECONDS):
            for event in live:
                await event.wait()
        yield ends
    finally:
        for task in ends:
            task.cancel()
        await asyncio.gather(*ends, return_exceptions=True)


async def _event_stream(port: int, token: str) -> AsyncIterator[None]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps({"query": FOLLOW})
    writer.write(
        f"POST /graphql HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n"
        f"accept: text/event-stream\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n{body}".encode()
    )
    try:
        await reader.readuntil(b"CaughtUp")
        yield
        rest = await reader.readuntil(b"0\r\n\r\n")  # the end of a chunked response
        if b"TOKEN_EXPIRED" not in rest:
            raise MeasurementFailed(f"a stream has ended otherwise: {rest[-200:]!r}")
    finally:
        writer.close()


async def _socket(port: int, token: str) -> AsyncIterator[None]:
    socket: ClientConnection
    protocol = Subprotocol("graphql-transport-ws")
    async with connect(f"ws://127.0.0.1:{port}/graphql", subprotocols=[protocol], proxy=None) as socket:
        init = {"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}
        await socket.send(json.dumps(init))
        await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": FOLLOW}}))
        while "CaughtUp" not in str(await socket.recv()):
            pass
        yield
        try:
            while True:
                await socket.recv()
        except ConnectionClosed as closed:
            if closed.rcvd is None or closed.rcvd.code != 4403:
                raise MeasurementFailed(f"a socket has ended otherwise: {closed}") from closed
