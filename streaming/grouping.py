"""Groups what comes at once, so that it shares a trip to a server and what the server does for each trip."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")

_PATIENCE_SECONDS = 0.01
"""How long the next items wait at most for the end of the group before.

A near server answers sooner, and what comes meanwhile makes the next group. A far one has long done its work
when the answer arrives."""


class Groups(Generic[T]):
    """Gives items to `work` in groups, in the order in which they come. The first item does not wait.

    work: it must not raise. largest: how many items a group has at most. at_once: how many groups may be
    worked on at the same time.
    """

    def __init__(self, work: Callable[[list[T]], Awaitable[None]], *, largest: int, at_once: int) -> None:
        self._work = work
        self._largest = largest
        self._at_once = at_once
        self._waiting: list[T] = []
        self._worked_on = 0
        self._starting: asyncio.Task[None] | None = None
        self._running: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """How many items wait or are worked on."""
        return len(self._waiting) + self._worked_on

    def add(self, item: T) -> None:
        """Adds an item to the next group."""
        self._waiting.append(item)
        if self._starting is None or self._starting.done():
            self._starting = asyncio.create_task(self._start())

    async def _start(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[: self._largest], self._waiting[self._largest :]
            self._worked_on += len(group)
            running = asyncio.create_task(self._work_on(group))
            self._running.add(running)
            running.add_done_callback(self._running.discard)
            await asyncio.wait((running,), timeout=_PATIENCE_SECONDS)
            while len(self._running) >= self._at_once:
                await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)

    async def _work_on(self, group: list[T]) -> None:
        try:
            await self._work(group)
        finally:
            self._worked_on -= len(group)
