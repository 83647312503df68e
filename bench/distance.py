"""A server that is far away: what stands before it delays every byte, each way, and limits no rate.

It also counts trips. A trip begins when a client sends something after the server has sent something, or for
the first time. So a statement is one trip, however many packets it has, and messages that are sent without
waiting for the answer to the one before share a trip.
"""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import cast
from urllib.parse import parse_qs, urlsplit


class Far:
    """Passes bytes on to a server, each of them late, from entering until leaving.

    one_way_seconds: how late. trips: see above; of all connections together.
    """

    def __init__(self, server_url: str, one_way_seconds: float) -> None:
        """server_url: of Postgres, which may be at a socket in a directory, or of NATS."""
        self._parts = urlsplit(server_url)
        self.one_way_seconds = one_way_seconds
        self.trips = 0
        self._open: set[asyncio.Transport] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Far:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Client(self), "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None, "entered"
        self._server.close()
        for transport in list(self._open):
            transport.abort()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """The URL of the server, as seen through this."""
        assert self._server is not None, "entered"
        user = f"{self._parts.username}@" if self._parts.username else ""
        port = self._server.sockets[0].getsockname()[1]
        return self._parts._replace(netloc=f"{user}127.0.0.1:{port}", query="").geturl()

    async def connect(self, protocol: asyncio.Protocol) -> None:
        """Connects to the server itself."""
        loop = asyncio.get_running_loop()
        if directory := parse_qs(self._parts.query).get("host"):
            await loop.create_unix_connection(lambda: protocol, f"{directory[0]}/.s.PGSQL.5432")
        else:
            await loop.create_connection(lambda: protocol, self._parts.hostname or "", self._parts.port or 0)

    def opened(self, transport: asyncio.Transport) -> None:
        self._open.add(transport)

    def closed(self, transport: asyncio.Transport) -> None:
        self._open.discard(transport)


class _Late:
    """What one side has sent and the other has not got yet, in order; None is the end of the connection."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._under_way: deque[tuple[float, bytes | None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self.to: asyncio.Transport | None = None

    def send(self, data: bytes | None) -> None:
        self._under_way.append((self._loop.time() + self._seconds, data))
        self.go_on()

    def go_on(self) -> None:
        """Delivers what has arrived by now, once there is somebody to deliver it to."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self.to is not None and self._under_way and self._under_way[0][0] <= self._loop.time():
            _, data = self._under_way.popleft()
            if data is None:
                self.to.close()
            elif not self.to.is_closing():
                self.to.write(data)
        if self.to is not None and self._under_way:
            self._timer = self._loop.call_at(self._under_way[0][0], self.go_on)


class _End(asyncio.Protocol):
    """One end of a connection."""

    def __init__(self, far: Far, outgoing: _Late, incoming: _Late) -> None:
        self._far = far
        self._outgoing = outgoing
        self._incoming = incoming

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._far.opened(self._transport)
        self._incoming.to = self._transport
        self._incoming.go_on()

    def data_received(self, data: bytes) -> None:
        self._outgoing.send(data)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._far.closed(self._transport)
        self._outgoing.send(None)


class _Server(_End):
    """The end at the server. has_spoken: whether it has sent something since the client did."""

    has_spoken = True

    def data_received(self, data: bytes) -> None:
        self.has_spoken = True
        super().data_received(data)


class _Client(_End):
    """The end at the client, which opens the other one."""

    def __init__(self, far: Far) -> None:
        there, back = _Late(far.one_way_seconds), _Late(far.one_way_seconds)
        super().__init__(far, there, back)
        self._server = _Server(far, back, there)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connecting = asyncio.create_task(self._connect())

    def data_received(self, data: bytes) -> None:
        if self._server.has_spoken:
            self._far.trips += 1
            self._server.has_spoken = False
        super().data_received(data)

    async def _connect(self) -> None:
        try:
            await self._far.connect(self._server)
        except OSError:
            self._transport.abort()
