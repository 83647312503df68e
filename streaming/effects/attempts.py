"""One attempt at a call of an effect: its time limit, the backoff after it, and exclusive calls.

If a process ends, all calls that run in it end too, and it is unknown which of them caused it. So each of
them is repeated while no other call runs in the process. If the process ends again, that call is the cause,
and the others do not become dead letters with it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from commander.domain.effects import EffectCall, EffectType
from commander.domain.source import raised
from commander.eventstore.log.epochs import Epochs
from commander.streaming.commands.deciding import without_nul
from commander.streaming.effects.calls import Call
from commander.streaming.tracing import SpanKind, span


@dataclass(frozen=True)
class Backoff:
    """The pause before the next attempt. It doubles with each attempt, up to `most_seconds`.

    The pause is random between half of that and all of it, so that calls that failed together are not
    repeated together.
    """

    first_seconds: float = 0.5
    most_seconds: float = 60

    def after(self, attempt: int) -> float:
        """The pause in seconds after this attempt, counted from 1."""
        full = min(self.most_seconds, self.first_seconds * 2.0 ** min(attempt - 1, 30))
        return random.uniform(full / 2, full)


_TAKEOVER_SECONDS = 10.0
"""A process takes over all its effects within this time."""


class CallExclusion:
    """Coordinates the calls of all effects in a process: many run concurrently, or one runs exclusively.

    closed: None while calls may begin; else a future that is done when they may begin again.
    """

    def __init__(self) -> None:
        self._running: dict[str, int] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._turn = asyncio.Lock()
        self._found, self._found_until = 0, 0.0
        self.closed: asyncio.Future[None] | None = None

    async def running_at_takeover(self, count: Callable[[], Awaitable[int]]) -> int:
        """How many calls of all effects ran when the previous process ended. count: reads it from the store.

        The effects of a process take over one after the other. The first one may already have made its call a
        dead letter when the next one counts, and that call must not seem to have run alone. So the largest
        count of the last seconds is returned.
        """
        found, now = await count(), asyncio.get_running_loop().time()
        if now > self._found_until:
            self._found, self._found_until = 0, now + _TAKEOVER_SECONDS
        self._found = max(self._found, found)
        return self._found

    def set_running(self, effect: str, calls: int) -> None:
        """Sets the number of running calls of an effect. It must not grow while `closed` is set."""
        self._running[effect] = calls
        if any(self._running.values()):
            self._idle.clear()
        else:
            self._idle.set()

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Waits until no call runs. No other call begins until the block ends."""
        async with self._turn:
            self.closed = asyncio.get_running_loop().create_future()
            try:
                await self._idle.wait()
                yield
            finally:
                self.closed.set_result(None)
                self.closed = None


async def attempt(effect: EffectType, call: Call, epochs: Epochs) -> str | None:
    """Calls the effect once. Returns None, or the error as text. It raises no error of the author's code.

    epochs: those of the log. Run it in a task of its own: cancelled, it returns an error.
    """
    event, number = call.event, call.record.attempts
    key, position = effect.key(event.position, epochs.at(event.position)), event.position
    about = EffectCall(key, position, event.stream, event.recorded_at, event.correlation_id, number)
    try:
        with span(f"effect {effect.name}", event.traceparent, SpanKind.CONSUMER):
            async with asyncio.timeout(effect.timeout_seconds):
                await effect.call(call.instance, about)
    except BaseException as error:  # the author's code may raise anything, even SystemExit
        return without_nul(raised(error))
    return None
