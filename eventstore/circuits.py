"""What a process knows of a server: whether it works, or what is wrong with it, and since when.

    works ──► unreachable (away, silent) ──► works       as a probe finds, a few times in a second
    works ──► unwritable (full, read-only) ──► works     as a probe or a failed write finds, for a moment

A server that is silent would hold each operation for as long as the operation waits. So one probe finds out
for all: when it fails, the operations under way end, and later ones are refused at once until it succeeds.
Only the server's silence counts. A wait for a connection of our own pool does not, nor do the moments in
which this process could not run.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import Any, TypeVar

from commander.domain.errors import Trouble, Unavailable

PROBE_SECONDS = 0.25
"""The pause between two probes."""
TICK_SECONDS = 0.25
_SILENT_TICKS = 6
"""A server is silent if it has not answered for so many ticks. With the pause that is less than 2 seconds.

Each tick is a wait of its own: while this process cannot run, time passes and ticks do not."""
_LOST_TICKS = 20
"""After so many ticks without an answer, the next probe has a new connection."""
_ANSWERS = 20
"""Of so many probes it is known how long they took."""
_HELD_SECONDS = 2.0
"""How long a failed write is believed. Who retries fails again before that."""

T = TypeVar("T")


@dataclass(frozen=True)
class Outage:
    """What is wrong with a server, why it is believed, and since when (UTC)."""

    trouble: Trouble
    reason: str
    since: datetime

    def __str__(self) -> str:
        return f"{self.shown}: {self.reason}"

    @property
    def shown(self) -> str:
        """Without the reason, which can have addresses and names of users."""
        return f"{self.trouble.value} since {self.since:%Y-%m-%d %H:%M:%S} UTC"


class Circuit:
    """What is known of one server. service: its name. reports: how many failed writes it was told of here."""

    def __init__(self, service: str, logger: logging.Logger) -> None:
        self.service = service
        self.reports = 0
        self.doubted = asyncio.Event()
        self._logger = logger
        self._unreachable: Outage | None = None
        self._unwritable: Outage | None = None
        self._held_until = 0.0
        self._answered_at: datetime | None = None
        self._under_way: dict[asyncio.Timeout, float | None] = {}
        self._callbacks: list[Callable[[Outage], None]] = []
        self._answer_seconds: deque[float] = deque(maxlen=_ANSWERS)

    @property
    def answers(self) -> bool:
        """Whether the server has answered, and has not been found unreachable since."""
        return self._answered_at is not None and self._unreachable is None

    @property
    def unreachable(self) -> Outage | None:
        """Why nothing can be asked of it; None if it answers."""
        return self._unreachable

    @property
    def unwritable(self) -> Outage | None:
        """Why it takes no writes; None if it does, as far as is known."""
        if self._unwritable is not None and monotonic() >= self._held_until:
            self._unwritable = None
            self._logger.warning("%s takes writes again, as far as is known", self.service)
        return self._unwritable

    @property
    def outage(self) -> Outage | None:
        """What is wrong; None while it works, as far as is known."""
        return self._unreachable or self.unwritable

    def must_answer(self) -> None:
        """Raises Unavailable at once while the server is unreachable."""
        if self._unreachable is not None:
            raise self.unavailable(self._unreachable)

    def must_write(self) -> None:
        """Raises Unavailable at once while the server is unreachable, full or read-only."""
        if (outage := self.outage) is not None:
            raise self.unavailable(outage)

    @asynccontextmanager
    async def answering(self, *, writes: bool = False) -> AsyncIterator[None]:
        """Ends the block with Unavailable as soon as the server is found unreachable.

        writes: whether also a server that is full or read-only ends it. Raises it at once if that is known.
        """
        (self.must_write if writes else self.must_answer)()
        ended = asyncio.timeout(None)
        try:
            async with ended:
                self._under_way[ended] = monotonic() if writes else None
                try:
                    yield
                finally:
                    self._under_way.pop(ended, None)
        except Exception as error:
            if ended.expired() and (outage := self.outage) is not None:
                raise self.unavailable(outage) from error
            raise

    def on_open(self, callback: Callable[[Outage], None]) -> None:
        """Calls `callback` each time that the server is found unreachable, full or read-only."""
        self._callbacks.append(callback)

    def writing_for(self) -> float:
        """For how many seconds the oldest block that writes is under way; 0 if there is none."""
        began = [at for at in self._under_way.values() if at is not None]
        return monotonic() - min(began) if began else 0.0

    @property
    def trip_seconds(self) -> float | None:
        """How long the quickest answer to the last probes took; None if there was none."""
        return min(self._answer_seconds, default=None)

    async def probe_twice(
        self, ask: Callable[[], Coroutine[Any, Any, T]], drop: Callable[[T], None] | None = None
    ) -> T:
        """As `probe`. A question that fails is asked again at once: one lost connection means nothing."""
        try:
            return await self.probe(ask(), drop)
        except Unavailable:
            return await self.probe(ask(), drop)

    async def probe(self, asked: Coroutine[Any, Any, T], drop: Callable[[T], None] | None = None) -> T:
        """The answer to a question, waited for. Opens the circuit if it is late.

        A server that has never answered is starting, or this process is: that it is late means nothing yet.
        Raises TimeoutError if it does not come at all, and the errors of the question. drop: what is done
        with an answer that comes when nobody waits any more.
        """
        began, task, waits = monotonic(), asyncio.ensure_future(asked), True
        try:
            for tick in range(1, _LOST_TICKS + 1):
                done, _ = await asyncio.wait((task,), timeout=TICK_SECONDS)
                if done:
                    waits = False
                    answer = task.result()
                    self._answer_seconds.append(monotonic() - began)
                    return answer
                if tick == _SILENT_TICKS and self._answered_at is not None:
                    self.open(Trouble.SILENT, "it does not answer", self._answered_at)
            raise TimeoutError
        finally:
            if waits:
                task.cancel()
                task.add_done_callback(partial(_dropped, drop))

    def open(self, trouble: Trouble, reason: str, since: datetime | None = None) -> None:
        """The server is unreachable. since: now, if not given. An outage that goes on keeps its beginning."""
        before = self._unreachable
        began = since or datetime.now(UTC)
        self._unreachable = Outage(trouble, reason, began if before is None else before.since)
        if self._answered_at is not None and (before is None or before.trouble is not trouble):
            self._logger.warning("%s is %s", self.service, self._unreachable)
        self._end(self._unreachable, lambda _: True)

    def close(self) -> bool:
        """The server has answered. Returns whether it was unreachable."""
        before, self._answered_at = self._answered_at, datetime.now(UTC)
        was, self._unreachable = self._unreachable, None
        if was is not None and before is not None:
            self._logger.warning("%s answers again", self.service)
        return was is not None

    def report(self, trouble: Trouble, reason: str, since: datetime | None = None) -> None:
        """A write has failed. It is believed for a moment.

        since: when the outage began, if another process tells of it; None if this one has met it.
        """
        if since is None:
            self.reports += 1
        before = self.unwritable
        self._held_until = monotonic() + _HELD_SECONDS
        if before is None or before.trouble is not trouble:
            self._unwritable = Outage(trouble, reason, since or datetime.now(UTC))
            self._logger.warning("%s is %s", self.service, self._unwritable)
            self.doubted.set()
        assert self._unwritable is not None, "it was set above, or is the same"
        self._end(self._unwritable, lambda began: began is not None)

    def note(self, error: Unavailable) -> None:
        """Reports an error of the server if it says that the server takes no writes."""
        if error.trouble in (Trouble.FULL, Trouble.READ_ONLY) and error.since is None:
            self.report(error.trouble, error.reason)

    def takes_writes(self) -> bool:
        """A probe has found that the server is not read-only. Returns whether it was believed to be."""
        was = self._unwritable is not None and self._unwritable.trouble is Trouble.READ_ONLY
        if was:
            self._held_until = 0.0
        return was

    async def pause(self) -> None:
        """Waits until the next probe is due: a moment, or until the server is doubted."""
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await self.doubted.wait()
        except TimeoutError:
            pass
        self.doubted.clear()

    def _end(self, outage: Outage, which: Callable[[float | None], bool]) -> None:
        for ended in [one for one, began in self._under_way.items() if which(began)]:
            del self._under_way[ended]
            ended.reschedule(0)
        for callback in self._callbacks:
            callback(outage)

    def unavailable(self, outage: Outage) -> Unavailable:
        """The error for this outage of the server."""
        return Unavailable(self.service, str(outage), outage.trouble, outage.since)


def _dropped(drop: Callable[[T], None] | None, task: asyncio.Future[T]) -> None:
    if not task.cancelled() and task.exception() is None and drop is not None:
        drop(task.result())
