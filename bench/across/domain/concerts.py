"""Seats of concerts, which guests hold: the number of a seat comes from a decision model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from commander import Domain, Tag

concerts = Domain("concerts")


@concerts.command
@dataclass(frozen=True)
class Hold:
    guest_id: UUID
    concert_id: UUID


@concerts.event
@dataclass(frozen=True)
class SeatHeld:
    guest_id: UUID
    concert_id: Annotated[UUID, Tag()]
    number: int


@concerts.aggregate(key="guest_id")
@dataclass(frozen=True)
class Guest:
    seats: int = 0

    def held(self, event: SeatHeld) -> Guest:
        return Guest(self.seats + 1)


@concerts.decision_model(tags=("concert_id",))
@dataclass(frozen=True)
class Seats:
    held: int = 0

    def holding(self, event: SeatHeld) -> Seats:
        return Seats(self.held + 1)


@concerts.decider()
def hold(command: Hold, guest: Guest, seats: Seats) -> SeatHeld:
    return SeatHeld(command.guest_id, command.concert_id, seats.held + 1)
