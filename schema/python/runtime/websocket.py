"""Subscriptions over WebSockets, by the library websockets.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from commander.schema.python.runtime.errors import Interrupted, failure, status_failure
from commander.schema.python.runtime.transport import Request, Result
from commander.schema.python.runtime.waiting import QUIET_TICKS

ConnectionParams: TypeAlias = (
    Mapping[str, Any] | Callable[[], Mapping[str, Any] | Awaitable[Mapping[str, Any]]]
)

PROTOCOL = Subprotocol("graphql-transport-ws")
_BAD_REQUEST = 4400
_REFUSED = (_BAD_REQUEST, 4401, 4403, 4406)
_OPEN_SECONDS = 10
_CLOSE_SECONDS = 1


class WebSocket:
    """A transport with a WebSocket for each subscription, so that a slow reader slows down its own alone.

    url: ws:// or wss://. connection_params: sent when a connection begins; a function is called for each.
    options: those of `websockets.asyncio.client.connect`, such as `additional_headers`, `ssl` and `proxy`.
    """

    def __init__(self, url: str, connection_params: ConnectionParams | None = None, **options: Any) -> None:
        self._url = url
        self._params = connection_params
        self._options = {
            "open_timeout": _OPEN_SECONDS,
            "close_timeout": _CLOSE_SECONDS,
            "ping_interval": None,
            "max_size": None,
            **options,
        }

    async def subscribe(self, request: Request, silence_seconds: float) -> AsyncGenerator[Result, None]:
        try:
            async with connect(self._url, subprotocols=[PROTOCOL], **self._options) as socket:
                await _sent(socket, "connection_init", payload=await self._payload())
                while (await _received(socket, silence_seconds)).get("type") != "connection_ack":
                    pass
                await _sent(socket, "subscribe", id="1", payload=request)
                while True:
                    message = await _received(socket, silence_seconds)
                    match message.get("type"):
                        case "next":
                            yield message["payload"]
                        case "error":
                            raise failure(message["payload"])
                        case "complete":
                            return
                        case _:
                            pass
        except ConnectionClosed as closed:
            raise _lost(closed) from closed
        except InvalidStatus as refused:
            response = refused.response
            raise status_failure(response.status_code, response.headers) from refused
        except (OSError, WebSocketException) as error:
            raise Interrupted(f"the WebSocket cannot be opened: {error}") from error

    async def _payload(self) -> Mapping[str, Any]:
        given = self._params() if callable(self._params) else self._params
        return (await given if inspect.isawaitable(given) else given) or {}


async def _sent(socket: ClientConnection, kind: str, **more: Any) -> None:
    await socket.send(json.dumps({"type": kind, **more}))


async def _received(socket: ClientConnection, silence_seconds: float) -> dict[str, Any]:
    """The next message. Answers pings. Raises Interrupted if none comes, though it asks for one."""
    silent = 0
    while silent < QUIET_TICKS:
        try:
            async with asyncio.timeout(silence_seconds / QUIET_TICKS):
                text = await socket.recv()
        except TimeoutError:
            silent += 1
            await _sent(socket, "ping")
            continue
        message: dict[str, Any] = json.loads(text)
        if message.get("type") == "ping":
            await _sent(socket, "pong")
        if message.get("type") not in ("ping", "pong"):
            return message
        silent = 0
    raise Interrupted(f"nothing came for {silence_seconds:g} s")


def _lost(closed: ConnectionClosed) -> Interrupted:
    code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")
    text = f"the WebSocket has ended: {code} {reason}".rstrip()
    refused = code in _REFUSED
    return Interrupted(text, suspect=refused, access=refused and code != _BAD_REQUEST)
