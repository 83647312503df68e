"""WebSockets and streamed responses: their limit, and their end when the process stops."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from commander.domain.errors import NotServing, Overloaded


class Streams:
    """The open connections that do not end by themselves. A stopping process must end them.

    max_connections: the most that this process serves at once.
    """

    def __init__(self, max_connections: int = 10_000) -> None:
        self._max_connections = max_connections
        self._connections = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended = False

    @property
    def connections(self) -> int:
        return self._connections

    def must_take_another(self) -> None:
        """Raises Overloaded at the limit, and NotServing after `end`."""
        if self._ended:
            raise NotServing("stopping", "this process is stopping; connect again")
        if self._connections >= self._max_connections:
            raise Overloaded(f"this process serves {self._max_connections} connections, which is its limit")

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Counts a connection while it is open."""
        self._connections += 1
        try:
            yield
        finally:
            self._connections -= 1

    async def serve(self, response: StreamingResponse, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the response until it ends, the client leaves, or `end` is called. Then closes its source."""
        task = asyncio.current_task()
        assert task is not None, "a coroutine runs in a task"
        self._tasks.add(task)
        started = False

        async def send_and_note(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            with self.counted():
                await response(scope, receive, send_and_note)
        except asyncio.CancelledError:
            if not self._ended:
                raise
            task.uncancel()
            if started:
                await send({"type": "http.response.body", "body": b""})
        finally:
            self._tasks.discard(task)
            await close_source(response)

    def end(self) -> None:
        """Ends the streams without `complete`, so that clients reconnect and resume.

        The server ends WebSockets itself, with code 1012.
        """
        self._ended = True
        for task in self._tasks:
            task.cancel()


async def close_source(response: StreamingResponse) -> None:
    """Closes the iterator of the response, started or not. Otherwise only the garbage collector would."""
    if (close := getattr(response.body_iterator, "aclose", None)) is not None:
        await close()
