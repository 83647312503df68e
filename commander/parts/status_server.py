"""A small HTTP server for the health and the metrics of a process.

It answers GET and HEAD requests for the paths that it gets. So a process that serves nothing else over HTTP
needs no web framework.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

from commander.domain import CommanderError

_IDLE_SECONDS = 75.0
_PHRASES = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    503: "Service Unavailable",
}
_MOST_BYTES = 64 * 1024
"""The most bytes of a request that is not complete."""


class Answer(NamedTuple):
    """status: one of _PHRASES."""

    status: int
    media_type: str
    body: bytes


Answers = Mapping[str, Callable[[], Awaitable[Answer]]]
"""The functions that answer a GET, by path."""


class CannotListen(CommanderError):
    """The address is in use, or not an address of this machine. The message names it, and the setting."""


class StatusServer:
    """Serves from `serve` until `stop`."""

    def __init__(self, answers: Answers, host: str, port: int) -> None:
        self._answers = answers
        self._host = host
        self._port = port
        self._stopping = asyncio.Event()
        self._clients: set[asyncio.StreamWriter] = set()
        self._conversations: set[asyncio.Task[None]] = set()

    async def _server(self) -> asyncio.Server:
        """A server for an address needs no name service, for which uvloop would start four threads.

        As bytes the address needs no codec for names: that for text, idna, takes 0.3 MiB of memory.
        """
        try:
            numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
            [(family, *_, address)] = socket.getaddrinfo(
                self._host.encode("ascii"), self._port, type=socket.SOCK_STREAM, flags=numeric
            )
        except (socket.gaierror, ValueError):  # a name, or "" for every address
            return await asyncio.start_server(
                self._converse, self._host or None, self._port, limit=_MOST_BYTES
            )
        listening = socket.create_server(address, family=family)
        return await asyncio.start_server(self._converse, sock=listening, limit=_MOST_BYTES)

    async def serve(self) -> None:
        """Serves until `stop`. Raises CannotListen."""
        try:
            server = await self._server()
        except OSError as error:
            why = (
                os.strerror(error.errno) if error.errno else str(error)
            )  # asyncio's text repeats the address
            raise CannotListen(
                f"cannot listen on {self._host}:{self._port}: {why}; choose another COMMANDER_HEALTH_PORT"
            ) from error
        async with server:
            await self._stopping.wait()
            server.close()
            for client in self._clients:
                if client.transport.get_write_buffer_size():  # it does not read: its answers never leave
                    client.transport.abort()
                else:
                    client.close()
            if self._conversations:
                await asyncio.wait(self._conversations)

    def stop(self) -> None:
        self._stopping.set()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversation = asyncio.current_task()
        assert conversation is not None, "asyncio runs it in a task"
        self._conversations.add(conversation)
        self._clients.add(writer)
        try:
            with suppress(OSError, TimeoutError):
                await self._answer_all(reader, writer)
        finally:
            self._clients.discard(writer)
            self._conversations.discard(conversation)
            writer.close()

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers requests in their order, until the client closes the connection."""
        keep_alive = True
        while keep_alive:
            try:
                async with asyncio.timeout(_IDLE_SECONDS):
                    head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                return
            except asyncio.LimitOverrunError:
                head = b""
            request = _parsed(head)
            if request is None:
                keep_alive = False
                writer.write(_response(_plain(400), keep_alive=False))
            else:
                keep_alive = request.keep_alive
                answer = await self._answer(request.method, request.path)
                with_body = request.method != b"HEAD"
                writer.write(_response(answer, keep_alive=keep_alive, with_body=with_body))
            async with asyncio.timeout(_IDLE_SECONDS):
                await writer.drain()

    async def _answer(self, method: bytes, path: str) -> Answer:
        if path not in self._answers:
            return _plain(404)
        if method not in (b"GET", b"HEAD"):
            return _plain(405)
        return await self._answers[path]()


class _Request(NamedTuple):
    method: bytes
    path: str
    keep_alive: bool


def _parsed(head: bytes) -> _Request | None:
    """A request from its line and headers. None if it is not HTTP/1. A body is not supported."""
    line, *fields = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    parts = line.split(b" ")
    if len(parts) != 3 or parts[2] not in (b"HTTP/1.0", b"HTTP/1.1"):
        return None
    headers = {
        name.strip().lower(): value.strip().lower() for name, _, value in (f.partition(b":") for f in fields)
    }
    has_body = b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"
    closes = b"close" in headers.get(b"connection", b"") or parts[2] == b"HTTP/1.0"
    path = parts[1].partition(b"?")[0].decode("latin-1")
    return _Request(parts[0], path, keep_alive=not (has_body or closes))


def _plain(status: int) -> Answer:
    return Answer(status, "text/plain; charset=utf-8", _PHRASES[status].encode())


def _response(answer: Answer, *, keep_alive: bool, with_body: bool = True) -> bytes:
    head = (
        f"HTTP/1.1 {answer.status} {_PHRASES[answer.status]}\r\n"
        f"content-type: {answer.media_type}\r\n"
        f"content-length: {len(answer.body)}\r\n"
        f"connection: {'keep-alive' if keep_alive else 'close'}\r\n\r\n"
    )
    return head.encode("latin-1") + (answer.body if with_body else b"")
