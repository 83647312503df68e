"""Doctors of a clinic, with each kind of rule across streams: unique keys, two streams, a query of the log.

A pager is of one doctor. Of two colleagues one is on call. A room is booked once an hour, and four times at
most. CLINIC says which code runs: "unruled" is that before pagers were unique.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Annotated

from commander import Domain, Rejected, Tag, Unique

ROOM = 4
PAGER = () if os.environ.get("CLINIC") == "unruled" else (Unique("pager", normalise=str.casefold),)
clinic = Domain("clinic")


@clinic.event
@dataclass(frozen=True)
class PagerTaken:
    doctor: int
    pager: str


@clinic.event
@dataclass(frozen=True)
class PagerLeft:
    doctor: int


@clinic.event
@dataclass(frozen=True)
class WentOnCall:
    doctor: int


@clinic.event
@dataclass(frozen=True)
class WentOffCall:
    doctor: int


@clinic.event
@dataclass(frozen=True)
class RoomBooked:
    doctor: int
    room: Annotated[str, Tag()]
    hour: int


@clinic.event
@dataclass(frozen=True)
class RoomFreed:
    doctor: int
    room: Annotated[str, Tag()]
    hour: int


@clinic.command
@dataclass(frozen=True)
class TakePager:
    doctor: int
    pager: str


@clinic.command
@dataclass(frozen=True)
class LeavePager:
    doctor: int


@clinic.command
@dataclass(frozen=True)
class SwapPagers:
    one: int
    other: int


@clinic.command
@dataclass(frozen=True)
class GoOnCall:
    doctor: int


@clinic.command
@dataclass(frozen=True)
class GoOffCall:
    doctor: int
    colleague: int


@clinic.command
@dataclass(frozen=True)
class BookRoom:
    doctor: int
    room: str
    hour: int


@clinic.command
@dataclass(frozen=True)
class FreeRooms:
    doctor: int


@clinic.aggregate(key="doctor", unique=PAGER)
@dataclass(frozen=True)
class Doctor:
    pager: str | None = None
    on_call: bool = True
    rooms: tuple[tuple[str, int], ...] = ()

    def take(self, command: TakePager) -> PagerTaken:
        return PagerTaken(command.doctor, command.pager)

    def leave(self, command: LeavePager) -> PagerLeft:
        if self.pager is None:
            raise Rejected("NO_PAGER")
        return PagerLeft(command.doctor)

    def go_on(self, command: GoOnCall) -> WentOnCall:
        return WentOnCall(command.doctor)

    def free(self, command: FreeRooms) -> tuple[RoomFreed, ...]:
        return tuple(RoomFreed(command.doctor, room, hour) for room, hour in self.rooms)

    def taken(self, event: PagerTaken) -> Doctor:
        return replace(self, pager=event.pager)

    def left(self, event: PagerLeft) -> Doctor:
        return replace(self, pager=None)

    def went_on(self, event: WentOnCall) -> Doctor:
        return replace(self, on_call=True)

    def went_off(self, event: WentOffCall) -> Doctor:
        return replace(self, on_call=False)

    def booked(self, event: RoomBooked) -> Doctor:
        return replace(self, rooms=(*self.rooms, (event.room, event.hour)))

    def freed(self, event: RoomFreed) -> Doctor:
        return replace(self, rooms=tuple(one for one in self.rooms if one != (event.room, event.hour)))


@clinic.decision_model(tags=("room",))
@dataclass(frozen=True)
class Booked:
    hours: frozenset[int] = field(default_factory=frozenset)

    def booked(self, event: RoomBooked) -> Booked:
        return Booked(self.hours | {event.hour})

    def freed(self, event: RoomFreed) -> Booked:
        return Booked(self.hours - {event.hour})


@clinic.decider()
def book(command: BookRoom, doctor: Doctor, booked: Booked) -> RoomBooked:
    if command.hour in booked.hours:
        raise Rejected("BOOKED")
    if len(booked.hours) >= ROOM:
        raise Rejected("FULL")
    return RoomBooked(command.doctor, command.room, command.hour)


@clinic.decider(doctor="doctor", colleague="colleague")
def go_off(command: GoOffCall, doctor: Doctor, colleague: Doctor) -> WentOffCall:
    if not colleague.on_call:
        raise Rejected("ALONE")
    return WentOffCall(command.doctor)


@clinic.decider(one="one", other="other")
def swap(command: SwapPagers, one: Doctor, other: Doctor) -> tuple[PagerTaken, PagerTaken]:
    if one.pager is None or other.pager is None:
        raise Rejected("NO_PAGER")
    return PagerTaken(command.one, other.pager), PagerTaken(command.other, one.pager)
