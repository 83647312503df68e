"""WebSockets and streamed responses: their limit, and their end when the process stops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from commander.domain.errors import NotServing, Overloaded, TokenExpired
from commander.resolvers.identity.access import Access
from commander.resolvers.identity.open_streams import OpenStreams


@dataclass(frozen=True)
class Lasting:
    """For how long a streamed response may last: as long as a token.

    last: the last bytes of the response, with the error that ends it.
    """

    streams: OpenStreams
    access: Access
    last: Callable[[TokenExpired], bytes]


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

    async def serve(
        self,
        response: StreamingResponse,
        scope: Scope,
        receive: Receive,
        send: Send,
        lasting: Lasting | None = None,
    ) -> None:
        """Sends the response until it ends, the client leaves, or `end` is called. Then closes its source.

        lasting: its token ends the response too. Without `complete`, so that clients come back with another.
        Raises TokenExpired if the token has ended before the response began.
        """
        task = asyncio.current_task()
        assert task is not None, "a coroutine runs in a task"
        self._tasks.add(task)
        started = False
        ended: TokenExpired | None = None

        def end_for(error: TokenExpired) -> None:
            nonlocal ended
            ended = error
            task.cancel()

        async def send_and_note(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            until = nullcontext() if lasting is None else lasting.streams.opened(lasting.access, end_for)
            with self.counted(), until:
                await response(scope, receive, send_and_note)
        except asyncio.CancelledError:
            if not self._ended and ended is None:
                raise
            task.uncancel()
            await close_source(response)
            if not started and ended is not None:
                raise ended from None
            if started:
                last = b"" if ended is None or lasting is None else lasting.last(ended)
                await send({"type": "http.response.body", "body": last})
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
