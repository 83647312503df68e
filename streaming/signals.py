"""Hints on core NATS: the log has grown, a projection has moved. Losing one costs a moment, never an event.

signals.head                  the log's new head position
signals.projection.<name>     the position a projection has reached
"""

from __future__ import annotations

import asyncio
from types import TracebackType

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from commander.domain.errors import Unavailable
from streaming.connection import Nats, reaching_nats

HEAD = "signals.head"


async def tell_head(nats: Nats, position: int) -> None:
    await nats.publish(HEAD, str(position).encode())


async def tell_projection(nats: Nats, name: str, position: int) -> None:
    await nats.publish(f"signals.projection.{name}", str(position).encode())


class Bell:
    """Rings when a subject is signalled; whoever waits wakes early, and in any case after the timeout."""

    def __init__(self, nats: Nats, subject: str = HEAD) -> None:
        self._nats = nats
        self._subject = subject
        self._rung = asyncio.Event()
        self._subscription: Subscription | None = None

    async def __aenter__(self) -> Bell:
        async def ring(_: Msg) -> None:
            self._rung.set()

        with reaching_nats():
            self._subscription = await self._nats.client.subscribe(self._subject, cb=ring)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with reaching_nats():
                if self._subscription is not None and self._nats.connected:
                    await self._subscription.unsubscribe()
        except Unavailable:
            pass

    async def wait(self, timeout_seconds: float = 0.5) -> None:
        """Returns when rung since the last wait, or after the timeout."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._rung.wait()
        except TimeoutError:
            pass
        self._rung.clear()
