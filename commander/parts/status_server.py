"""A small HTTP server for what a process says of itself: its health, its metrics.

It answers GET and HEAD of the paths that it is given. A process that serves nothing else over HTTP needs no
web framework for this.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

import httptools

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
"""The most of a request that has not arrived as a whole."""


class Answer(NamedTuple):
    """status: one of _PHRASES."""

    status: int
    media_type: str
    body: bytes


Answers = Mapping[str, Callable[[], Awaitable[Answer]]]
"""What answers a GET, by path."""


class CannotListen(CommanderError):
    """The address is taken, or not this machine's; the message names it."""


class StatusServer:
    """Serves from `serve` until `stop`."""

    def __init__(self, answers: Answers, host: str, port: int) -> None:
        self._answers = answers
        self._host = host
        self._port = port
        self._stopping = asyncio.Event()
        self._clients: set[asyncio.StreamWriter] = set()

    async def serve(self) -> None:
        """Returns once stopped. Raises CannotListen."""
        try:
            server = await asyncio.start_server(self._converse, self._host or None, self._port)
        except OSError as error:
            raise CannotListen(
                f"cannot listen on {self._host}:{self._port}: {error.strerror or error}"
            ) from error
        async with server:
            await self._stopping.wait()
            server.close()
            for client in self._clients:
                client.close()

    def stop(self) -> None:
        self._stopping.set()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        try:
            with suppress(OSError, TimeoutError):
                await self._answer_all(reader, writer)
        finally:
            self._clients.discard(writer)
            writer.close()

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers request after request, in their order, until the client wants no more."""
        requests = _Requests()
        unanswered_bytes = 0
        while True:
            async with asyncio.timeout(_IDLE_SECONDS):
                received = await reader.read(_MOST_BYTES)
            if not received:
                return
            unanswered_bytes += len(received)
            if unanswered_bytes > _MOST_BYTES or not requests.parsed(received):
                writer.write(_response(_plain(400), keep_alive=False))
                return await writer.drain()
            for request in requests.complete():
                unanswered_bytes = 0
                answer = await self._answer(request.method, request.path)
                with_body = request.method != b"HEAD"
                writer.write(_response(answer, keep_alive=request.keep_alive, with_body=with_body))
                await writer.drain()
                if not request.keep_alive:
                    return

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


class _Requests:
    """The requests of a connection; httptools calls the methods whose names begin with `on_`."""

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._complete: list[_Request] = []

    def parsed(self, received: bytes) -> bool:
        """Takes in what was received; False when that is no HTTP."""
        try:
            self._parser.feed_data(received)
        except httptools.HttpParserUpgrade:
            pass  # the answer is that of HTTP/1.1, and the last one
        except httptools.HttpParserError:
            return False
        return True

    def complete(self) -> list[_Request]:
        """Those that have arrived since the last call."""
        found, self._complete = self._complete, []
        return found

    def on_message_begin(self) -> None:
        self._url = b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_message_complete(self) -> None:
        path = self._url.partition(b"?")[0].decode("latin-1")
        keep_alive = self._parser.should_keep_alive() and not self._parser.should_upgrade()
        self._complete.append(_Request(self._parser.get_method(), path, keep_alive))


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
