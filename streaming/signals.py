"""Hints on core NATS: the log has grown, a projection has moved. Losing one costs a moment, never an event.

signals.head                  the log's new head position
signals.projection.<table>    the position a projection's table has reached
signals.tables                another table serves, or there is one more to fill
"""

from __future__ import annotations

import asyncio
from types import TracebackType

from nats.aio.subscription import Subscription

from commander.domain.errors import Unavailable
from streaming.bulk import RawMessage
from streaming.connection import Nats, reaching_nats

HEAD = "signals.head"
TABLES = "signals.tables"


async def tell_head(nats: Nats, position: int) -> None:
    await nats.publish(HEAD, str(position).encode())


async def tell_projection(nats: Nats, table_name: str, position: int) -> None:
    await nats.publish(f"signals.projection.{table_name}", str(position).encode())


async def tell_tables(nats: Nats) -> None:
    await nats.publish(TABLES, b"")


class Bell:
    """Rings when a subject is signalled; whoever waits wakes early, and in any case after the timeout.

    pause_seconds: how long after one ring the next is heard. Who reads all there is at each ring does a
    fraction of the work for it, under load, and comes later by at most as much.
    """

    def __init__(self, nats: Nats, subject: str = HEAD, *, pause_seconds: float = 0) -> None:
        self._nats = nats
        self._subject = subject
        self._pause_seconds = pause_seconds
        self._heard_at = 0.0
        self._rung = asyncio.Event()
        self._subscription: Subscription | None = None

    async def __aenter__(self) -> Bell:
        with reaching_nats():
            self._subscription = await self._nats.client.subscribe_bulk(self._subject, self._ring)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with reaching_nats():
                if self._subscription is not None and self._nats.connected:
                    await self._nats.client.unsubscribe_bulk(self._subscription)
        except Unavailable:
            pass

    async def wait(self, timeout_seconds: float = 0.5) -> None:
        """Returns when rung since the last wait, or after the timeout."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._rung.wait()
        except TimeoutError:
            pass
        else:
            early = self._heard_at + self._pause_seconds - loop.time()
            if early > 0:
                await asyncio.sleep(early)
            self._heard_at = loop.time()
        self._rung.clear()

    def _ring(self, _: list[RawMessage]) -> None:
        self._rung.set()
