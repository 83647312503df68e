"""A domain in which every kind of checkpoint moves: projections, a reactor with states, an effect."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from commander import Domain

visits = Domain("visits")

GREETED_EACH = 5
"""The host greets at each fifth visit of a door."""


@visits.event
@dataclass(frozen=True)
class Visited:
    """house_id: the same for all doors."""

    door_id: UUID
    house_id: UUID


@visits.event
@dataclass(frozen=True)
class Greeted:
    door_id: UUID


@visits.command
@dataclass(frozen=True)
class Visit:
    """Come to a door."""

    door_id: UUID
    house_id: UUID


@visits.command
@dataclass(frozen=True)
class Greet:
    """Greet who came."""

    door_id: UUID


@visits.aggregate(key="door_id")
@dataclass(frozen=True)
class Door:
    visits: int = 0

    def visit(self, command: Visit) -> Visited:
        return Visited(command.door_id, command.house_id)

    def greet(self, command: Greet) -> Greeted:
        return Greeted(command.door_id)

    def visited(self, event: Visited) -> Door:
        return replace(self, visits=self.visits + 1)

    def greeted(self, event: Greeted) -> Door:
        return self


@visits.reactor(key="door_id")
@dataclass(frozen=True)
class Host:
    """Greets at some of the visits, and counts them."""

    visits: int = 0

    def visited(self, event: Visited) -> tuple[Host, Greet] | Host:
        host = replace(self, visits=self.visits + 1)
        return (host, Greet(event.door_id)) if host.visits % GREETED_EACH == 0 else host


@visits.effect(Greeted)
async def ring(event: Greeted) -> None:
    """Does nothing: what is measured is its bookkeeping."""


@visits.projection("door", key="door_id")
@dataclass(frozen=True)
class DoorRow:
    """A door: one row of many."""

    door_id: UUID
    visits: int = 0

    @classmethod
    def visited(cls, event: Visited, row: DoorRow | None) -> DoorRow:
        return cls(event.door_id, 1 if row is None else row.visits + 1)


@visits.projection("house", key="house_id")
@dataclass(frozen=True)
class HouseRow:
    """The house: one row that each fold writes."""

    house_id: UUID
    visits: int = 0

    @classmethod
    def visited(cls, event: Visited, row: HouseRow | None) -> HouseRow:
        return cls(event.house_id, 1 if row is None else row.visits + 1)
