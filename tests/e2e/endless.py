"""A domain whose code does not return, each part of it for the command that says so."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from uuid import UUID

from commander import Domain

endless = Domain("endless")


def go_on_for_ever(how: str, *, place: str) -> None:
    """Does not return if `how` names this place, and how: "inline sleep"."""
    named, _, way = how.partition(" ")
    if named != place:
        return
    match way:
        case "sleep":
            time.sleep(3600)
        case "match":
            re.match("(a+)+$", "a" * 40 + "b")
    while way == "stubbornly":
        try:
            while True:
                pass
        except Exception:
            continue
    while True:
        pass


@endless.event
@dataclass(frozen=True)
class Turned:
    wheel_id: UUID
    how: str = "well"


@endless.event
@dataclass(frozen=True)
class Oiled:
    wheel_id: UUID


@endless.command
@dataclass(frozen=True)
class Turn:
    wheel_id: UUID
    how: str = "well"


@endless.command(internal=True)
@dataclass(frozen=True)
class Oil:
    wheel_id: UUID


@endless.aggregate(key="wheel_id")
@dataclass(frozen=True)
class Wheel:
    turns: int = 0

    def turn(self, command: Turn) -> Turned:
        go_on_for_ever(command.how, place="decide")
        return Turned(command.wheel_id, command.how)

    def turned(self, event: Turned) -> Wheel:
        go_on_for_ever(event.how, place="evolve")
        return replace(self, turns=self.turns + 1)

    def oil(self, command: Oil) -> Oiled:
        return Oiled(command.wheel_id)

    def oiled(self, event: Oiled) -> Wheel:
        return self


@endless.before_submit(Turn)
def look_at(command: Turn) -> None:
    go_on_for_ever(command.how, place="hook")


@endless.projection("spin", key="wheel_id")
@dataclass(frozen=True)
class Spin:
    wheel_id: UUID
    turns: int = 0

    @classmethod
    def turned(cls, event: Turned, row: Spin | None) -> Spin:
        return cls(event.wheel_id, 1 + (row.turns if row else 0))


@endless.projection("lap", key="wheel_id")
@dataclass(frozen=True)
class Lap:
    wheel_id: UUID
    turns: int = 0

    @classmethod
    def turned(cls, event: Turned, row: Lap | None) -> Lap:
        go_on_for_ever(event.how, place="projection")
        return cls(event.wheel_id, 1 + (row.turns if row else 0))


@endless.projection("tally", key="wheel_id", inline=True)
@dataclass(frozen=True)
class Tally:
    wheel_id: UUID
    turns: int = 0

    @classmethod
    def turned(cls, event: Turned, row: Tally | None) -> Tally:
        go_on_for_ever(event.how, place="inline")
        return cls(event.wheel_id, 1 + (row.turns if row else 0))


@endless.reactor(key="wheel_id")
@dataclass(frozen=True)
class Oiler:
    turns: int = 0

    def turned(self, event: Turned) -> tuple[Oiler, Oil] | None:
        go_on_for_ever(event.how, place="reactor")
        return replace(self, turns=self.turns + 1), Oil(event.wheel_id)
