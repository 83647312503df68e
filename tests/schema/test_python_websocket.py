"""What gateways and servers do to a subscription over a WebSocket, made by a server of the test's own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from commander.schema.python.runtime.codec import decoder
from commander.schema.python.runtime.errors import Cursor, RequestRefused
from commander.schema.python.runtime.feed import Feed
from commander.schema.python.runtime.waiting import Closing, Patience
from commander.schema.python.runtime.websocket import PROTOCOL, WebSocket

SILENCE_SECONDS = 0.6
Then = Callable[[ServerConnection], Awaitable[None]]


def item(position: int) -> dict[str, Any]:
    event = {"__typename": "Paid", "position": str(position), "logEpoch": 1, "version": 1}
    return {"type": "next", "id": "1", "payload": {"data": {"events": event}}}


def sends(*messages: dict[str, Any], close: int | None = None) -> Then:
    """Sends the messages, and then closes with this code or is silent."""

    async def answer(socket: ServerConnection) -> None:
        for message in messages:
            await socket.send(json.dumps(message))
        if close is None:
            await socket.wait_closed()
        else:
            await socket.close(close)

    return answer


async def answers_pings(socket: ServerConnection) -> None:
    """Has an item after a time without any, in which it answers and sends pings."""
    await socket.send(json.dumps(item(1)))
    for _ in range(6):
        await socket.send(json.dumps({"type": "ping"}))
        while json.loads(await socket.recv()) != {"type": "pong"}:
            await socket.send(json.dumps({"type": "pong"}))
        await asyncio.sleep(SILENCE_SECONDS / 4)
    await sends(item(2))(socket)


class Server:
    """begun: the variables of each subscription. params: the payload of each connection_init."""

    def __init__(self) -> None:
        self.begun: list[dict[str, Any]] = []
        self.params: list[Any] = []
        self.breaks: list[Exception] = []


@asynccontextmanager
async def following(*answers: Then | HTTPStatus) -> AsyncIterator[tuple[Feed[Any], Server]]:
    """A feed from a server that gives these answers one after the other, the last one again and again."""
    waiting, server, closing = list(answers), Server(), Closing()

    def next_answer() -> Then | HTTPStatus:
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    def handshake(socket: ServerConnection, _: Request) -> Response | None:
        status = waiting[0]
        if not isinstance(status, HTTPStatus):
            return None
        next_answer()
        return socket.respond(status, "<html>")

    async def connected(socket: ServerConnection) -> None:
        try:
            server.params.append(json.loads(await socket.recv()).get("payload"))
            await socket.send(json.dumps({"type": "connection_ack"}))
            server.begun.append(json.loads(await socket.recv())["payload"]["variables"])
            answer = next_answer()
            assert not isinstance(answer, HTTPStatus)
            await answer(socket)
        except ConnectionClosed:
            pass

    async with serve(
        connected, "127.0.0.1", 0, subprotocols=[PROTOCOL], process_request=handshake, close_timeout=0.1
    ) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        transport = WebSocket(f"ws://127.0.0.1:{port}/", lambda: {"token": len(server.params)}, proxy=None)
        patience = Patience(SILENCE_SECONDS, 0.05, server.breaks.append)
        feed: Feed[Any] = Feed(transport, "subscription", decoder(dict), Cursor(0), None, patience, closing)
        yield feed, server
        await feed.aclose()


BREAKS: dict[str, Then | HTTPStatus] = {
    "1011": sends(item(1), close=1011),
    "1012": sends(item(1), close=1012),
    "complete": sends(item(1), {"type": "complete", "id": "1"}),
    "silence": sends(item(1)),
    "an expired token": sends(item(1), close=4401),
    "an error of a gateway": sends(
        item(1), {"type": "error", "id": "1", "payload": [{"message": "upstream"}]}
    ),
    "a message of another protocol": sends(item(1), {"type": "ka"}, close=1000),
}


@pytest.mark.parametrize("name", BREAKS)
async def test_the_feed_goes_on_behind_its_cursor_after(name: str) -> None:
    answers = (BREAKS[name], HTTPStatus.SERVICE_UNAVAILABLE, sends(item(1), item(2)))
    async with following(*answers) as (feed, server), asyncio.timeout(10):
        assert [(await anext(feed))["position"] for _ in range(2)] == ["1", "2"]
        assert [variables["after"] for variables in server.begun] == ["0", "1"]
        assert server.params == [{"token": 0}, {"token": 1}], "made anew for each connection"
        assert len(server.breaks) == 2


@pytest.mark.parametrize(
    "answer",
    [sends(close=4400), sends(close=4401), sends(close=4403), HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND],
    ids=["4400", "4401", "4403", "403", "404"],
)
async def test_a_first_answer_that_refuses_ends_the_feed(answer: Then | HTTPStatus) -> None:
    async with following(answer) as (feed, _), asyncio.timeout(10):
        with pytest.raises(RequestRefused):
            await anext(feed)


async def test_pings_are_answered_and_a_connection_that_answers_is_not_silent() -> None:
    async with following(answers_pings) as (feed, server), asyncio.timeout(10):
        assert [(await anext(feed))["position"] for _ in range(2)] == ["1", "2"]
        assert server.breaks == []


async def test_a_slow_reader_loses_nothing_and_keeps_its_connection() -> None:
    async with following(sends(*map(item, range(1, 2001)))) as (feed, server), asyncio.timeout(20):
        await anext(feed)
        await asyncio.sleep(2 * SILENCE_SECONDS)
        assert [int((await anext(feed))["position"]) for _ in range(1999)] == list(range(2, 2001))
        assert server.breaks == []
