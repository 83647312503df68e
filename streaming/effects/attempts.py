"""One attempt at a call of an effect: how long it may take, when the next comes, and who runs beside it.

What ends a process ends all the calls that run in it, of whichever effect, and nobody can say which of them
it was. So each of those is called again while no other call runs in the process: what happens then is its own
doing, and the others are not set aside with it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from commander.domain.effects import EffectCall, EffectType
from commander.eventstore.records import RecordedEvent
from commander.streaming.commands.deciding import described, without_nul
from commander.streaming.tracing import SpanKind, span


@dataclass(frozen=True)
class Backoff:
    """How long to wait before another attempt: doubled each time, and anywhere in its upper half.

    So those that failed at once do not come again at once.
    """

    first_seconds: float = 0.5
    most_seconds: float = 60

    def after(self, attempt: int) -> float:
        full = min(self.most_seconds, self.first_seconds * 2.0 ** min(attempt - 1, 30))
        return random.uniform(full / 2, full)


class CallExclusion:
    """The calls of all effects in a process: any number side by side, or one alone.

    closed: done when calls may be begun again; None while they may.
    """

    def __init__(self) -> None:
        self._under_way: dict[str, int] = {}
        self._nobody = asyncio.Event()
        self._nobody.set()
        self._turn = asyncio.Lock()
        self.closed: asyncio.Future[None] | None = None

    def tell(self, effect: str, calls: int) -> None:
        """So many calls of this effect are under way now, side by side. None may be added while `closed`."""
        self._under_way[effect] = calls
        if any(self._under_way.values()):
            self._nobody.clear()
        else:
            self._nobody.set()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Waits until the calls under way have ended; until this is left, none is begun."""
        async with self._turn:
            self.closed = asyncio.get_running_loop().create_future()
            try:
                await self._nobody.wait()
                yield
            finally:
                self.closed.set_result(None)
                self.closed = None


async def attempt(effect: EffectType, event: RecordedEvent, instance: Any, number: int) -> str | None:
    """Calls once: None, or what it failed with. For a task of its own; cancelled, it ends as failed.

    number: which attempt it is, from 1. Raises nothing of the author's.
    """
    key, position = effect.key(event.position), event.position
    call = EffectCall(key, position, event.stream, event.recorded_at, event.correlation_id, number)
    try:
        with span(f"effect {effect.name}", event.traceparent, SpanKind.CONSUMER):
            async with asyncio.timeout(effect.timeout_seconds):
                await effect.call(instance, call)
    except BaseException as error:  # the author's code may raise anything, even SystemExit
        return without_nul(described(error))
    return None
