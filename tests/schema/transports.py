"""An API of the test's own process on a real socket, and one client for each transport."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from itertools import count
from typing import Any

import httpx
from websockets import ClientConnection, Subprotocol, connect

from commander.dev.embedded import free_port
from commander.parts.asgi_server import AsgiServer
from commander.resolvers.services import Services
from commander.schema.execution.operations import CommanderSchema
from commander.schema.http.application import application
from commander.schema.http.endpoint import HttpSettings
from commander.settings import Settings
from tests.system import NO_TLS

Answer = dict[str, Any]
Headers = Mapping[str, str]
NO_HEADERS: Headers = {}
WAIT_SECONDS = 60
"""How long a client waits for an answer before the test fails."""
_IDS = count(1)


@asynccontextmanager
async def serving(
    schema: CommanderSchema,
    services: Callable[[], Services],
    http_settings: HttpSettings = HttpSettings(),  # noqa: B008  # it is frozen
    **given: Any,
) -> AsyncIterator[int]:
    """The application as a part serves it, in this process: its port. given: settings of the process."""
    settings = Settings(host="127.0.0.1", port=free_port(), **given)
    server = AsgiServer(application(schema, services, http_settings), settings)
    task = asyncio.create_task(server.serve())
    try:
        await _reached(settings.port)
        yield settings.port
    finally:
        server.stop()
        await task


async def _reached(port: int) -> None:
    """Returns when something listens at this port."""
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                await writer.wait_closed()
                return


class Http:
    """One answer as JSON. headers: of each request."""

    def __init__(self, port: int, headers: Headers = NO_HEADERS) -> None:
        self.url = f"http://127.0.0.1:{port}/graphql"
        self.client = httpx.AsyncClient(timeout=WAIT_SECONDS, verify=NO_TLS, headers=headers)

    async def answers(self, document: str, **variables: Any) -> AsyncGenerator[Answer, None]:
        yield (await self.client.post(self.url, json=_operation(document, variables))).json()

    async def close(self) -> None:
        await self.client.aclose()


class Stream(Http):
    """Answers as a stream of HTTP. accept: of which kind. begins: what a line with an answer begins with."""

    def __init__(self, port: int, accept: str, begins: str, headers: Headers = NO_HEADERS) -> None:
        super().__init__(port, headers)
        self._accept = accept
        self._begins = begins

    async def answers(self, document: str, **variables: Any) -> AsyncGenerator[Answer, None]:
        headers, body = {"accept": self._accept}, _operation(document, variables)
        request = self.client.stream("POST", self.url, json=body, headers=headers)
        async with request as response:
            if response.headers["content-type"].partition(";")[0] not in self._accept:
                await response.aread()
                yield response.json()
                return
            async for line in response.aiter_lines():
                if line.startswith(self._begins) and (text := line.removeprefix("data:").strip()) not in (
                    "",
                    "{}",
                ):
                    found: Answer = json.loads(text)
                    yield found.get("payload") or found


class Socket:
    """Answers on a WebSocket, one connection for all operations of a test."""

    def __init__(self, connection: ClientConnection, verbs: Mapping[str, str]) -> None:
        self._connection = connection
        self._verbs = verbs

    async def answers(self, document: str, **variables: Any) -> AsyncGenerator[Answer, None]:
        id, payload = str(next(_IDS)), _operation(document, variables)
        await self._send({"type": self._verbs["begin"], "id": id, "payload": payload})
        try:
            while (message := await self._receive(id))["type"] != "complete":
                payload = message["payload"]
                if message["type"] == "error":
                    yield {"errors": payload if isinstance(payload, list) else [payload]}
                    return
                yield payload
        except GeneratorExit:
            await self._send({"type": self._verbs["end"], "id": id})
            raise

    async def _receive(self, id: str) -> dict[str, Any]:
        """The next message about an operation. Those about others, which have ended, are left out."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                message: dict[str, Any] = json.loads(await self._connection.recv())
                if message.get("id") == id:
                    return message

    async def _send(self, message: dict[str, Any]) -> None:
        await self._connection.send(json.dumps(message))


Client = Http | Socket
STREAMS = {
    "sse": ("text/event-stream", "data:"),
    "multipart": ("multipart/mixed;subscriptionSpec=1.0", "{"),
}
SOCKETS = {
    "graphql-transport-ws": {"begin": "subscribe", "end": "complete"},
    "graphql-ws": {"begin": "start", "end": "stop"},
}
CARRIES = {
    "http": ("query", "mutation"),
    "sse": ("query", "subscription", "mutation"),
    "multipart": ("subscription",),
    "graphql-transport-ws": ("query", "subscription", "mutation"),
    "graphql-ws": ("query", "subscription", "mutation"),
}
"""Each transport, and the types of operations that it carries."""


@asynccontextmanager
async def client_of(transport: str, port: int, headers: Headers = NO_HEADERS) -> AsyncIterator[Client]:
    """headers: of each request; on a WebSocket, the payload of `connection_init`."""
    if transport in SOCKETS:
        url = f"ws://127.0.0.1:{port}/graphql"
        async with connect(url, subprotocols=[Subprotocol(transport)], proxy=None) as connection:
            socket = Socket(connection, SOCKETS[transport])
            await socket._send({"type": "connection_init", "payload": dict(headers)})
            assert json.loads(await connection.recv())["type"] == "connection_ack"
            yield socket
    else:
        streamed = STREAMS.get(transport)
        http = Http(port, headers) if streamed is None else Stream(port, *streamed, headers)
        try:
            yield http
        finally:
            await http.close()


def _operation(document: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    return {"query": document, "variables": dict(variables)} if variables else {"query": document}


async def first(client: Client, document: str, answers: int = 1) -> list[Answer]:
    """So many answers to an operation, or all if they end before."""
    found: list[Answer] = []
    async with aclosing(client.answers(document)) as coming:
        async for answer in coming:
            found.append(answer)
            if len(found) == answers:
                break
    return found
