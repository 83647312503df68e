"""A domain with one of everything that is stored: states, deadlines, ticks, effects, projections."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from commander import Deadline, Domain, ReactionRejected, Rejected, Unique

yard = Domain("yard")


@yard.command
@dataclass(frozen=True)
class Arrive:
    ship_id: UUID
    crew: int
    note: str = "none"


@yard.command
@dataclass(frozen=True)
class Board:
    ship_id: UUID
    people: int


@yard.command(internal=True)
@dataclass(frozen=True)
class Sail:
    ship_id: UUID


@yard.command
@dataclass(frozen=True)
class Inspect:
    ship_id: UUID


@yard.event
@dataclass(frozen=True)
class Arrived:
    ship_id: UUID
    crew: int


@yard.event
@dataclass(frozen=True)
class Boarded:
    ship_id: UUID
    people: int


@yard.event
@dataclass(frozen=True)
class Sailed:
    ship_id: UUID


@yard.aggregate(key="ship_id", unique=(Unique("berth"),))
@dataclass(frozen=True)
class Ship:
    aboard: int = 0
    berth: int | None = None

    def arrive(self, command: Arrive) -> Arrived:
        return Arrived(command.ship_id, command.crew)

    def board(self, command: Board) -> tuple[Boarded, ...]:
        if self.aboard + command.people > 1000:
            raise Rejected("FULL", f"{self.aboard} are aboard")
        return (Boarded(command.ship_id, command.people),) * min(command.people, 2)

    def sail(self, command: Sail) -> Sailed:
        if not self.aboard:
            raise Rejected("EMPTY", "nobody is aboard")
        return Sailed(command.ship_id)

    def inspect(self, command: Inspect) -> tuple[()]:
        return ()

    def arrived(self, event: Arrived) -> Ship:
        return Ship(event.crew)

    def boarded(self, event: Boarded) -> Ship:
        return Ship(self.aboard + event.people)

    def sailed(self, event: Sailed) -> Ship:
        return self


@yard.projection("manifest", key="ship_id")
@dataclass(frozen=True)
class Manifest:
    ship_id: UUID
    people: int

    @classmethod
    def arrived(cls, event: Arrived) -> Manifest:
        return cls(event.ship_id, event.crew)

    def boarded(self, event: Boarded) -> Manifest:
        return replace(self, people=self.people + event.people)


@yard.reactor(key="ship_id")
@dataclass(frozen=True)
class Voyage:
    """Sails in thirty days; an empty ship is told at once that it cannot."""

    boardings: int = 0

    def arrived(self, event: Arrived) -> tuple[Voyage, Deadline] | tuple[Voyage, Sail]:
        if not event.crew:
            return Voyage(), Sail(event.ship_id)
        return Voyage(), Deadline(Sail(event.ship_id), after=timedelta(days=30))

    def refused(self, refusal: ReactionRejected[Sail]) -> Voyage:
        return replace(self, boardings=-1)


@yard.effect(Arrived)
async def whistle(event: Arrived) -> None:
    """Outside is nothing."""


@yard.every("0 0 1 1 *")
def inspection(tick: datetime) -> Inspect:
    return Inspect(UUID(int=7))
