"""What each API process tells the others of itself, while somebody watches the system.

Who watches asks with a signal, once a second. Each API process answers with another one, which all get.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid4

import msgspec

from commander.streaming.nats.chunks import OutMessage
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.signals import FIGURES, WATCHED, SignalListener, signal_subject
from commander.streaming.running import keep_running
from commander.streaming.system.figures import ApiProcess

logger = logging.getLogger("commander.system")

_PAUSE_SECONDS = 0.5
"""A process answers once in this time, however many ask."""
_GONE_SECONDS = 5.0
"""A process that has not answered for so long is no longer shown."""


@dataclass(frozen=True)
class OwnFigures:
    """What a process knows of itself. submitted: since its start. problem: why its events stand still."""

    submitted: int = 0
    connections: int = 0
    subscribers: int = 0
    feed_position: int | None = None
    problem: str | None = None


@dataclass(frozen=True)
class _Answer:
    """figures: at monotonic time `at`, in seconds. id: of one start of the process."""

    id: UUID
    host: str
    process: int
    figures: OwnFigures
    at: float


@dataclass
class _Known:
    """noted: when the last answer came. rate: between the last two."""

    last: _Answer
    noted: float
    rate: float | None = None


_decoder = msgspec.msgpack.Decoder(_Answer)


@dataclass
class ApiProcesses:
    """The API processes of the system, by what they have answered. own: the figures of this process, now."""

    nats: Nats
    own: Callable[[], OwnFigures]
    _id: UUID = field(default_factory=uuid4)
    _known: dict[UUID, _Known] = field(default_factory=dict)

    async def run(self) -> None:
        """Answers, and listens, until cancelled."""
        await keep_running(self._answer, logger)

    async def ask(self) -> None:
        """Asks all of them. Their answers come later. Raises Unavailable."""
        await self.nats.publish_signals([OutMessage(signal_subject(self.nats.names, WATCHED), b"", {})])

    def now(self, head: int) -> Sequence[ApiProcess]:
        """Those that have answered a moment ago, and this one. head: of the log."""
        now = asyncio.get_running_loop().time()
        self._note(self._own_answer())
        self._known = {id: one for id, one in self._known.items() if one.noted > now - _GONE_SECONDS}
        shown = sorted(self._known.values(), key=lambda one: (one.last.host, one.last.process))
        return [_shown(one, head) for one in shown]

    async def _answer(self) -> None:
        subject = signal_subject(self.nats.names, FIGURES)
        async with (
            SignalListener(self.nats, WATCHED) as asked,
            SignalListener(self.nats, FIGURES, lambda data: self._note(_decoder.decode(data))),
        ):
            while True:
                await asked.signalled()
                encoded = msgspec.msgpack.encode(self._own_answer())
                await self.nats.publish_signals([OutMessage(subject, encoded, {})])
                await asyncio.sleep(_PAUSE_SECONDS)

    def _own_answer(self) -> _Answer:
        at = asyncio.get_running_loop().time()
        return _Answer(self._id, socket.gethostname(), os.getpid(), self.own(), at)

    def _note(self, answer: _Answer) -> None:
        now = asyncio.get_running_loop().time()
        before = self._known.get(answer.id)
        if before is None:
            self._known[answer.id] = _Known(answer, now)
        elif (seconds := answer.at - before.last.at) >= _PAUSE_SECONDS:
            more = answer.figures.submitted - before.last.figures.submitted
            self._known[answer.id] = _Known(answer, now, more / seconds)
        else:  # too soon for a rate
            figures = replace(answer.figures, submitted=before.last.figures.submitted)
            before.last, before.noted = replace(before.last, figures=figures), now


def _shown(known: _Known, head: int) -> ApiProcess:
    answer, figures = known.last, known.last.figures
    at = figures.feed_position
    return ApiProcess(
        host=answer.host,
        process=answer.process,
        submitted_per_second=known.rate,
        connections=figures.connections,
        subscribers=figures.subscribers,
        feed_position=at,
        feed_lag=None if at is None else max(0, head - at),
        problem=figures.problem,
    )
