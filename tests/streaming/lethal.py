"""A domain whose handlers end or hang their process, as the event says: "table kill", "reactor hang"."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import UUID

from commander import Domain

lethal = Domain("lethal")


@lethal.event
@dataclass(frozen=True)
class Poked:
    bear_id: UUID
    how: str


@lethal.command
@dataclass(frozen=True)
class Poke:
    bear_id: UUID
    how: str = "well"


@lethal.command(internal=True)
@dataclass(frozen=True)
class Growl:
    bear_id: UUID


@lethal.event
@dataclass(frozen=True)
class Growled:
    bear_id: UUID


@lethal.aggregate(key="bear_id")
@dataclass(frozen=True)
class Bear:
    def poke(self, command: Poke) -> Poked:
        return Poked(command.bear_id, command.how)

    def growl(self, command: Growl) -> Growled:
        return Growled(command.bear_id)

    def poked(self, event: Poked) -> Bear:
        return self

    def growled(self, event: Growled) -> Bear:
        return self


def _hang() -> None:
    """Never returns from C code that keeps the interpreter, so no signal handler of Python runs.

    A mutex is locked twice: unlike code that counts for ever, it takes no time of a processor.
    """
    lock, mutex = ctypes.PyDLL(None).pthread_mutex_lock, ctypes.create_string_buffer(64)
    while True:
        lock(mutex)


_DOES: dict[str, Callable[[], object]] = {
    "exit": lambda: os._exit(1),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "hang": _hang,
    "slow": lambda: time.sleep(0.03),
}


def suffer(who: str, event: Poked) -> None:
    whom, _, how = event.how.partition(" ")
    if whom == who:
        _DOES[how]()


@lethal.projection("frail", key="bear_id")
@dataclass(frozen=True)
class Frail:
    """The table that dies."""

    bear_id: UUID
    pokes: int = 0

    @classmethod
    def poked(cls, event: Poked, row: Frail | None) -> Frail:
        suffer("table", event)
        return replace(row or cls(event.bear_id), pokes=(row.pokes if row else 0) + 1)


@lethal.projection("steady", key="bear_id")
@dataclass(frozen=True)
class Steady:
    """A table beside it."""

    bear_id: UUID
    pokes: int = 0

    @classmethod
    def poked(cls, event: Poked, row: Steady | None) -> Steady:
        return replace(row or cls(event.bear_id), pokes=(row.pokes if row else 0) + 1)


@lethal.projection("inline", key="bear_id", inline=True)
@dataclass(frozen=True)
class Inline:
    """The table that dies in the processor."""

    bear_id: UUID
    pokes: int = 0

    @classmethod
    def poked(cls, event: Poked, row: Inline | None) -> Inline:
        suffer("inline", event)
        return replace(row or cls(event.bear_id), pokes=(row.pokes if row else 0) + 1)


@lethal.reactor(key="bear_id", begins="beginning")
@dataclass(frozen=True)
class Shy:
    """The reactor that dies."""

    pokes: int = 0

    def poked(self, event: Poked) -> Shy:
        suffer("reactor", event)
        return replace(self, pokes=self.pokes + 1)


@lethal.reactor(begins="beginning")
class Grumpy:
    """A reactor beside it."""

    def poked(self, event: Poked) -> Growl:
        return Growl(event.bear_id)
