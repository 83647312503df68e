"""A domain with a rule of each kind."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Annotated
from uuid import UUID

from commander import Domain, Rejected, Viewer, Visible, any_of, anyone, one_of, same_as, where

harbour = Domain("harbour")


class Berth(Enum):
    FREE = "free"
    TAKEN = "taken"
    CLOSED = "closed"


def owns(viewer: Viewer, command: object, state: Ship) -> bool:
    return viewer.subject is not None and state.owner == viewer.subject


@harbour.command(allow=anyone)
@dataclass(frozen=True)
class Register:
    ship_id: UUID
    owner: str
    note: Annotated[str, Visible({"pilot"})] = ""


@harbour.command(allow=any_of({"pilot"}, owns))
@dataclass(frozen=True)
class Move:
    ship_id: UUID
    berth: Berth


@harbour.command(allow=lambda viewer, command: viewer.subject == command.owner)
@dataclass(frozen=True)
class Sell:
    ship_id: UUID
    owner: str


@harbour.command(allow=owns)
@dataclass(frozen=True)
class Leave:
    ship_id: UUID


@harbour.command
@dataclass(frozen=True)
class Sink:
    ship_id: UUID


@harbour.event(visible=lambda viewer: where(owner=viewer.subject))
@dataclass(frozen=True)
class Registered:
    ship_id: UUID
    owner: str
    note: Annotated[str, Visible({"pilot"})] = ""


@harbour.event(visible=any_of({"pilot"}, same_as("ship")))
@dataclass(frozen=True)
class Moved:
    ship_id: UUID
    berth: Berth


@harbour.event(visible=where(berth=one_of(Berth.FREE, Berth.CLOSED)))
@dataclass(frozen=True)
class Announced:
    berth: Berth


@harbour.event(visible=same_as("ship"))
@dataclass(frozen=True)
class Left:
    pass


@harbour.event
@dataclass(frozen=True)
class Sunk:
    ship_id: UUID


@harbour.aggregate(key="ship_id")
@dataclass(frozen=True)
class Ship:
    owner: str = ""
    berth: Berth = Berth.FREE

    def register(self, command: Register) -> Registered:
        return Registered(command.ship_id, command.owner, command.note)

    def move(self, command: Move) -> tuple[Moved, Announced]:
        if command.berth is Berth.CLOSED:
            raise Rejected("CLOSED")
        return Moved(command.ship_id, command.berth), Announced(command.berth)

    def sell(self, command: Sell) -> Registered:
        return Registered(command.ship_id, command.owner)

    def leave(self, command: Leave) -> Left:
        return Left()

    def sink(self, command: Sink) -> Sunk:
        return Sunk(command.ship_id)

    def registered(self, event: Registered) -> Ship:
        return replace(self, owner=event.owner)

    def moved(self, event: Moved) -> Ship:
        return replace(self, berth=event.berth)

    def announced(self, event: Announced) -> Ship:
        return self

    def left(self, event: Left) -> Ship:
        return self

    def sunk(self, event: Sunk) -> Ship:
        return self


@harbour.projection(
    "ship", key="ship_id", indexes=("owner",), visible=any_of({"pilot"}, lambda v: where(owner=v.subject))
)
@dataclass(frozen=True)
class ShipRow:
    ship_id: UUID
    owner: str
    note: Annotated[str | None, Visible({"pilot"})] = None
    berth: Berth = Berth.FREE

    @classmethod
    def registered(cls, event: Registered) -> ShipRow:
        return cls(event.ship_id, event.owner, event.note)

    def moved(self, event: Moved) -> ShipRow:
        return replace(self, berth=event.berth)


@harbour.projection("wreck", key="ship_id")
@dataclass(frozen=True)
class Wreck:
    ship_id: UUID

    @classmethod
    def sunk(cls, event: Sunk) -> Wreck:
        return cls(event.ship_id)
