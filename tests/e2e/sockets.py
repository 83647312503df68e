"""A WebSocket without a GraphQL client around it: what is sent is what arrives."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from websockets import ClientConnection, Subprotocol, connect
from websockets.exceptions import ConnectionClosed

from tests.e2e.api_process import Api
from tests.system import Endpoint

TRANSPORT_WS = "graphql-transport-ws"
LEGACY_WS = "graphql-ws"
KEEP_ALIVE = {"type": "ka"}
_PATIENCE_SECONDS = 20


class Socket:
    """messages are JSON objects unless given as text or bytes."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, message: dict[str, Any] | str | bytes) -> None:
        await self._connection.send(json.dumps(message) if isinstance(message, dict) else message)

    async def receive(self) -> dict[str, Any]:
        """The next message that is no keep-alive. Raises ConnectionClosed when the server has ended it."""
        while (message := await self.receive_any()) == KEEP_ALIVE:
            pass
        return message

    async def receive_any(self) -> dict[str, Any]:
        """The next message, keep-alives included."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            message: dict[str, Any] = json.loads(await self._connection.recv())
        return message

    async def closed(self) -> tuple[int, str]:
        """With which code and reason the server ends the connection; what comes before that is dropped."""
        try:
            while True:
                await self.receive()
        except ConnectionClosed as end:
            assert end.rcvd is not None, "the connection broke off without a closing frame"
            return end.rcvd.code, end.rcvd.reason


@asynccontextmanager
async def socket_to(
    system: Endpoint | Api,
    protocol: str | None = TRANSPORT_WS,
    *,
    init: bool = True,
    origin: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> AsyncIterator[Socket]:
    """A connection with this subprotocol; acknowledged, if init."""
    protocols = None if protocol is None else [Subprotocol(protocol)]
    sent = {**(headers or {}), **({} if origin is None else {"origin": origin})}
    async with connect(
        system.ws_url, subprotocols=protocols, additional_headers=sent, proxy=None
    ) as connection:
        socket = Socket(connection)
        if init:
            await socket.send({"type": "connection_init"})
            assert (await socket.receive())["type"] == "connection_ack"
        yield socket


def subscribe(query: Any, id: str = "1", **payload: Any) -> dict[str, Any]:
    """The message that begins an operation in graphql-transport-ws."""
    return {"type": "subscribe", "id": id, "payload": {"query": query, **payload}}


def start(query: Any, id: str = "1", **payload: Any) -> dict[str, Any]:
    """The message that begins an operation in the legacy graphql-ws."""
    return {"type": "start", "id": id, "payload": {"query": query, **payload}}
