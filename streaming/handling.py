"""One run of a process that handles events: its id, and whose turn it is to run the domain's code.

If a process dies, all that it handles dies with it, and it is unknown what was the cause. So an event that
may be the cause is handled while nothing else runs code of the domain in the process. If the process dies
again, it is that event.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from uuid import uuid4


class HandlingRun:
    """One start of a process. Its handlers run together, or one of them alone. id: it is in their marks."""

    def __init__(self) -> None:
        self.id = uuid4()
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._open = asyncio.Event()
        self._open.set()
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        """Waits while a handler runs alone. None begins alone until the block ends."""
        while not self._open.is_set():
            await self._open.wait()
        with self._counted():
            yield

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Waits until no handler runs. None begins until the block ends."""
        async with self._turn:
            self._open.clear()
            try:
                await self._idle.wait()
                yield
            finally:
                self._open.set()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._running += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()
