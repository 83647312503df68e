"""Ends the work for a client that has gone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette.types import Receive

T = TypeVar("T")
CLIENT_GONE = 499
"""The status of a request without an answer, for the log of requests."""
_WATCH_AFTER_SECONDS = 0.1
"""Most work ends sooner. It then costs no task that waits for the client to go."""


class ClientGone(Exception):
    """The client has closed its connection before the answer was ready."""


async def unless_gone(receive: Receive, work: Awaitable[T]) -> T:
    """The result of the work. If the client goes, the work is cancelled, with what it runs in Postgres.

    receive: of a request whose body was read. Raises ClientGone.
    """
    loop = asyncio.get_running_loop()
    worker = asyncio.current_task()
    assert worker is not None, "a coroutine runs in a task"
    watching: asyncio.Task[None] | None = None
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await receive())["type"] != "http.disconnect":
            pass
        gone = True
        worker.cancel()

    def begin() -> None:
        nonlocal watching
        watching = loop.create_task(watch())

    begun = loop.call_later(_WATCH_AFTER_SECONDS, begin)
    try:
        return await work
    except asyncio.CancelledError:
        if gone and worker.uncancel() == 0:
            raise ClientGone from None
        raise
    finally:
        begun.cancel()
        if watching is not None:
            watching.cancel()
