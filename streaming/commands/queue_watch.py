"""How long the queue COMMANDS is, and whether it takes more commands of clients.

NATS cannot limit the queue: a stream with schedules cannot refuse messages (`discard: new`), only drop the
oldest. So each API process reads the length once in a second, and counts what it stores meanwhile. Reactors
and ticks are never refused. What reactors send follows from events, so a queue that nobody decides gets no
more of it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from nats.js.errors import NotFoundError

from commander.domain.errors import Overloaded, Unavailable
from commander.streaming.commands.messages import count_in, many_subject, queued_subject
from commander.streaming.nats.connection import Nats

_PAUSE_SECONDS = 1.0
_RETRY_AFTER_SECONDS = 10


@dataclass(frozen=True)
class QueueLimits:
    """How many commands may be queued, how many bytes COMMANDS may have, and how old a command may get."""

    commands: int
    bytes: int
    age_seconds: float


UNLIMITED = QueueLimits(2**63, 2**63, math.inf)


@dataclass(frozen=True)
class QueueLength:
    """The queue at one time.

    commands: those that are due and not removed yet, and what was scheduled since the oldest of them. bytes:
    of the stream, with its schedules. oldest: when the oldest of these commands was stored, by NATS' clock.
    """

    commands: int
    bytes: int
    oldest: datetime | None


class QueueWatch:
    """Knows the length of the queue. last: as read last; None before that."""

    def __init__(self, nats: Nats, limits: QueueLimits) -> None:
        self._nats = nats
        self._limits = limits
        self.last: QueueLength | None = None
        self._stored = 0
        self._stored_bytes = 0

    async def run(self) -> None:
        """Reads the length now and then, until cancelled."""
        while True:
            with suppress(Unavailable):
                await self.read()
            await asyncio.sleep(_PAUSE_SECONDS)

    async def read(self) -> None:
        """Reads the length. Raises Unavailable."""
        before, bytes_before = self._stored, self._stored_bytes
        self.last = await queue_length(self._nats)
        self._stored -= before
        self._stored_bytes -= bytes_before

    def stored(self, size: int) -> None:
        """Counts a command that this process has stored, of so many bytes."""
        self._stored += 1
        self._stored_bytes += size

    @property
    def age_seconds(self) -> float:
        """For how long the oldest command has been queued; 0 if there is none."""
        if self.last is None or self.last.oldest is None:
            return 0.0
        return max(0.0, (self._nats.clock.now() - self.last.oldest).total_seconds())

    @property
    def problem(self) -> str | None:
        """Which limit the queue has reached; None if it takes more."""
        if self.last is None:
            return None
        limits, commands = self._limits, self.last.commands + self._stored
        if commands >= limits.commands:
            return f"{commands} commands are queued, and {limits.commands} is the limit"
        if (size := self.last.bytes + self._stored_bytes) >= limits.bytes:
            return f"the queue has {size} bytes, and {limits.bytes} is the limit"
        if (age := self.age_seconds) >= limits.age_seconds:
            return f"a command is queued for {age:.0f} seconds, and {limits.age_seconds:g} is the limit"
        return None

    def must_take_another(self) -> None:
        """Raises Overloaded if the queue has reached a limit."""
        if (problem := self.problem) is not None:
            raise Overloaded(f"{problem}: check that a processor runs; try again later", _RETRY_AFTER_SECONDS)

    @property
    def warnings(self) -> Mapping[str, str]:
        """For operators: why commands of clients are refused."""
        problem = self.problem
        refused = "commands of clients are refused; check that a processor runs"
        return {} if problem is None else {"queue": f"{problem}: {refused}"}


async def queue_length(nats: Nats) -> QueueLength:
    """The length of the queue, with two requests, however long it is. Raises Unavailable."""
    stream, many = nats.names.commands, many_subject(nats.names)
    async with nats.answering():
        try:
            state = (await nats.jetstream.stream_info(stream, subjects_filter=many)).state
        except NotFoundError as error:
            raise Unavailable("NATS", f"the stream {stream} does not exist") from error
        try:
            due = queued_subject(nats.names)
            oldest = await nats.jetstream.get_msg(stream, seq=1, subject=due, next=True)
        except NotFoundError:
            return QueueLength(0, state.bytes, None)
    groups = state.subjects or {}
    together = sum(count_in(subject) * messages for subject, messages in groups.items())
    since_oldest = state.last_seq - (oldest.seq or 0) + 1
    alone = max(0, min(state.messages, since_oldest) - sum(groups.values()))
    return QueueLength(together + alone, state.bytes, oldest.time)
