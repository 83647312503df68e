"""Pauses between attempts, and the end of all of them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

SHORTEST_SECONDS = 0.1
QUIET_TICKS = 3
"""A stream is silent after so many quiet parts of the time: a process that was held up has yet to read."""


def backoff(failed: int, longest_seconds: float, retry_after_seconds: float = 0) -> float:
    """How long to wait before an attempt. At least what the server asked for.

    A random time, so that clients that were cut off together do not come back together. It doubles with each
    attempt that failed, up to the longest.
    """
    most: float = min(longest_seconds, SHORTEST_SECONDS * 2 ** min(failed, 20))
    return retry_after_seconds + most * (0.5 + random.random() / 2)


async def unless_silent(awaited: Coroutine[Any, Any, T], seconds: float) -> T:
    """What is awaited. It is cancelled after the time; raises TimeoutError then."""
    task = asyncio.create_task(awaited)
    try:
        for _ in range(QUIET_TICKS):
            if (await asyncio.wait({task}, timeout=seconds / QUIET_TICKS))[0]:
                return task.result()
    finally:
        if task.cancel():
            await asyncio.gather(task, return_exceptions=True)
    raise TimeoutError(f"nothing came for {seconds:g} s")


@dataclass(frozen=True)
class Patience:
    """How a subscription goes on through breaks.

    silence_seconds: a connection on which nothing comes for so long is given up. longest_pause_seconds:
    between two attempts. on_break: told of each break, before the pause.
    """

    silence_seconds: float = 45
    longest_pause_seconds: float = 10
    on_break: Callable[[Exception], object] = lambda error: None


class Closing:
    """Whether the client is closed. What waits for something unless it is closed stops waiting then."""

    def __init__(self) -> None:
        self.closed = False
        self._waiting: set[asyncio.Timeout] = set()

    def close(self) -> None:
        self.closed = True
        for waiting in self._waiting:
            waiting.reschedule(0)
        self._waiting.clear()

    async def unless_closed(self, awaited: Awaitable[T]) -> T:
        """What is awaited. It is cancelled when the client is closed; raises TimeoutError then."""
        async with asyncio.timeout(0 if self.closed else None) as waiting:
            self._waiting.add(waiting)
            try:
                return await awaited
            finally:
                self._waiting.discard(waiting)

    async def pause(self, seconds: float) -> None:
        """Returns after the time, or when the client is closed."""
        with suppress(TimeoutError):
            await self.unless_closed(asyncio.sleep(seconds))
