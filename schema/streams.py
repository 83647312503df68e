"""Streaming responses: Server-Sent Events and multipart; and their end, when the process is told to stop."""

from __future__ import annotations

import asyncio

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send


class Streams:
    """The streams under way. No subscription ends by itself: a server that waits for it waits in vain."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended = False

    async def serve(self, response: StreamingResponse, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the response until it ends, its client leaves, or `end` is called."""
        task = asyncio.current_task()
        assert task is not None, "a coroutine runs in a task"
        self._tasks.add(task)
        try:
            await response(scope, receive, send)
        except asyncio.CancelledError:
            if not self._ended:
                raise
            task.uncancel()
            await send({"type": "http.response.body", "body": b""})
        finally:
            self._tasks.discard(task)

    def end(self) -> None:
        """Breaks the streams off, without the word that they are complete: clients come back and resume."""
        self._ended = True
        for task in self._tasks:
            task.cancel()
