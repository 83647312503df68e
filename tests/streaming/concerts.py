"""Seats of concerts: each is held once, whoever holds it. What is held is found by a query of the log."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated

from commander import Domain, Rejected, Tag

concerts = Domain("concerts")
ROOM = 4


@concerts.event
@dataclass(frozen=True)
class SeatHeld:
    customer: int
    concert: Annotated[str, Tag()]
    seat: int


@concerts.event
@dataclass(frozen=True)
class SeatReleased:
    customer: int
    concert: Annotated[str, Tag()]
    seat: int


@concerts.command
@dataclass(frozen=True)
class HoldSeat:
    customer: int
    concert: str
    seat: int


@concerts.command
@dataclass(frozen=True)
class ReleaseSeats:
    customer: int


@concerts.aggregate(key="customer")
@dataclass(frozen=True)
class Customer:
    seats: tuple[tuple[str, int], ...] = ()

    def release(self, command: ReleaseSeats) -> tuple[SeatReleased, ...]:
        return tuple(SeatReleased(command.customer, concert, seat) for concert, seat in self.seats)

    def held(self, event: SeatHeld) -> Customer:
        return replace(self, seats=(*self.seats, (event.concert, event.seat)))

    def released(self, event: SeatReleased) -> Customer:
        return replace(self, seats=tuple(one for one in self.seats if one != (event.concert, event.seat)))


@concerts.decision_model(tags=("concert",))
@dataclass(frozen=True)
class Held:
    seats: frozenset[int] = field(default_factory=frozenset)

    def held(self, event: SeatHeld) -> Held:
        return Held(self.seats | {event.seat})

    def released(self, event: SeatReleased) -> Held:
        return Held(self.seats - {event.seat})


@concerts.decider()
def hold(command: HoldSeat, customer: Customer, held: Held) -> SeatHeld:
    if command.seat in held.seats:
        raise Rejected("TAKEN", "the seat is held")
    if len(held.seats) >= ROOM:
        raise Rejected("FULL", "the room is full")
    return SeatHeld(command.customer, command.concert, command.seat)
