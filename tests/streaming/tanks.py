"""A domain whose reactor fails on some events, until the file MENDED exists in the folder that TANKS names.

On the event "kill", its process ends once if the file KILL exists there.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from commander import Domain

tanks = Domain("tanks")


@tanks.command
@dataclass(frozen=True)
class Fill:
    tank: str
    what: str


@tanks.command(internal=True)
@dataclass(frozen=True)
class Note:
    tank: str
    filled: tuple[str, ...]


@tanks.event
@dataclass(frozen=True)
class Filled:
    tank: str
    what: str


@tanks.event
@dataclass(frozen=True)
class Noted:
    tank: str
    filled: tuple[str, ...]


@tanks.aggregate(key="tank")
@dataclass(frozen=True)
class Tank:
    fillings: int = 0

    def fill(self, command: Fill) -> Filled:
        return Filled(command.tank, command.what)

    def note(self, command: Note) -> Noted:
        return Noted(command.tank, command.filled)

    def was_filled(self, event: Filled) -> Tank:
        return Tank(self.fillings + 1)

    def was_noted(self, event: Noted) -> Tank:
        return self


def go_wrong(what: str) -> None:
    folder = Path(os.environ["TANKS"])
    if what.startswith("poison") and not (folder / "MENDED").exists():
        raise RuntimeError(f"{what} does not fit")
    if what == "kill" and (folder / "KILL").exists():
        (folder / "KILL").unlink()
        os.kill(os.getpid(), signal.SIGKILL)


@tanks.reactor(key="tank", begins="beginning")
@dataclass(frozen=True)
class Keeper:
    """Notes all fillings of a tank after each one."""

    filled: tuple[str, ...] = ()

    def was_filled(self, event: Filled) -> tuple[Keeper, Note]:
        go_wrong(event.what)
        filled = (*self.filled, event.what)
        return Keeper(filled), Note(event.tank, filled)


@tanks.reactor(begins="beginning")
class Watcher:
    """The same without a key."""

    def was_filled(self, event: Filled) -> Note:
        go_wrong(event.what)
        return Note(event.tank, (f"watched {event.what}",))
