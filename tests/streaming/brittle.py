"""A domain whose effects end or hang their process, as the event says.

The file that RUNG names tells of each call.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import msgspec

from commander import Domain, EffectCall

brittle = Domain("brittle")


@brittle.event
@dataclass(frozen=True)
class Pressed:
    bell_id: UUID
    how: str


@brittle.command
@dataclass(frozen=True)
class Press:
    bell_id: UUID
    how: str


@brittle.aggregate(key="bell_id")
@dataclass(frozen=True)
class Bell:
    def press(self, command: Press) -> Pressed:
        return Pressed(command.bell_id, command.how)

    def pressed(self, event: Pressed) -> Bell:
        return self


class Rung(NamedTuple):
    """A call that began or was done. beside: how many calls ran in the process, this one included."""

    effect: str
    position: int
    attempt: int
    beside: int
    what: str

    @classmethod
    def told(cls, file: Path) -> list[Rung]:
        return msgspec.json.Decoder(cls).decode_lines(file.read_bytes()) if file.exists() else []


_ENDS: dict[str, Callable[[], None]] = {
    "exit": lambda: os._exit(1),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "hang": lambda: time.sleep(3600),
}
_running = 0


@brittle.effect(Pressed, concurrency=4, attempts=3, timeout_seconds=4)
async def ring(event: Pressed, call: EffectCall) -> None:
    await _ring("ring", event.how, call)


@brittle.effect(Pressed, concurrency=4, attempts=1, timeout_seconds=4)
async def echo(event: Pressed, call: EffectCall) -> None:
    """Does what begins with its name, and is else a slow one."""
    how = event.how
    await _ring("echo", how.removeprefix("echo ") if how.startswith("echo ") else "slow", call)


async def _ring(effect: str, how: str, call: EffectCall) -> None:
    global _running
    _running += 1
    try:
        _tell(Rung(effect, call.position, call.attempt, _running, "began"))
        await _do(how)
        _tell(Rung(effect, call.position, call.attempt, _running, "done"))
    finally:
        _running -= 1


async def _do(how: str) -> None:
    if how == "slow":
        await asyncio.sleep(0.3)
    elif how == "wait":
        await asyncio.Event().wait()
    elif how in _ENDS:
        await asyncio.sleep(0.1)  # others have begun
        _ENDS[how]()


def _tell(rung: Rung) -> None:
    with Path(os.environ["RUNG"]).open("ab") as file:
        file.write(msgspec.json.encode(rung) + b"\n")
