"""What stands between a client and an API, and can cut the connection."""

from __future__ import annotations

import asyncio
from types import TracebackType


class Proxy:
    """Passes bytes on to a port of this machine, from entering until leaving; connections: how many came."""

    def __init__(self, target_port: int) -> None:
        self.connections = 0
        self._target_port = target_port
        self._open: set[asyncio.StreamWriter] = set()
        self._to_target: set[asyncio.StreamWriter] = set()
        self._silent: set[asyncio.StreamWriter] = set()
        self._closed = False
        self._answer: bytes | None = None

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()
        self._server.close()
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def cut(self) -> None:
        """Breaks every connection off, at both ends, and each new one until `mend`."""
        self._closed = True
        for writer in self._open:
            writer.transport.abort()

    def stall(self) -> None:
        """Passes nothing more on over the connections that are open, and leaves them open. New ones work."""
        self._silent |= self._open

    def mute(self) -> None:
        """As `stall`, but only what clients send: what the API sends still reaches them."""
        self._silent |= self._to_target

    def lead_to(self, target_port: int) -> None:
        """New connections go to this port."""
        self._target_port = target_port

    def answer(self, response: bytes) -> None:
        """Breaks every connection off, and answers each new one with these bytes until `mend`."""
        self.cut()
        self._closed = False
        self._answer = response

    def mend(self) -> None:
        self._closed = False
        self._answer = None

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._closed:
            writer.transport.abort()
            return
        self.connections += 1
        if self._answer is not None:
            await reader.read(64 * 1024)
            writer.write(self._answer)
            await writer.drain()
            writer.close()
            return
        inner, outer = await asyncio.open_connection("127.0.0.1", self._target_port)
        self._open |= {writer, outer}
        self._to_target.add(outer)
        try:
            await asyncio.gather(self._passed(reader, outer), self._passed(inner, writer))
        finally:
            for end in (writer, outer):
                self._open.discard(end)
                self._silent.discard(end)
                self._to_target.discard(end)
                end.transport.abort()

    async def _passed(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        """Every byte, until either end is gone."""
        try:
            while data := await source.read(64 * 1024):
                if target not in self._silent:
                    target.write(data)
                    await target.drain()
        except ConnectionError:
            pass
        finally:
            target.transport.abort() if target.transport.is_closing() else target.close()
