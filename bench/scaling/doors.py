"""A domain with a reactor, and with a command that ends its processor."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, replace
from uuid import UUID

from commander import Domain

doors = Domain("doors")


@doors.event
@dataclass(frozen=True)
class Knocked:
    door_id: UUID


@doors.event
@dataclass(frozen=True)
class Opened:
    door_id: UUID


@doors.command
@dataclass(frozen=True)
class Knock:
    """Knock at a door. deadly: the decider ends its process."""

    door_id: UUID
    deadly: bool = False


@doors.command
@dataclass(frozen=True)
class Open:
    """Open a door."""

    door_id: UUID


@doors.aggregate(key="door_id")
@dataclass(frozen=True)
class Door:
    knocks: int = 0

    def knock(self, command: Knock) -> Knocked:
        if command.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return Knocked(command.door_id)

    def open(self, command: Open) -> Opened:
        return Opened(command.door_id)

    def knocked(self, event: Knocked) -> Door:
        return replace(self, knocks=self.knocks + 1)

    def opened(self, event: Opened) -> Door:
        return self


@doors.reactor(key="door_id", begins="beginning")
@dataclass(frozen=True)
class Porter:
    """Opens a door at each knock, and counts them."""

    knocks: int = 0

    def knocked(self, event: Knocked) -> tuple[Porter, Open]:
        return replace(self, knocks=self.knocks + 1), Open(event.door_id)
