"""What a clinic is asked, and what one clerk with a notebook would answer: the reference for its outcomes."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field

from tests.faults.clinic import (
    ROOM,
    BookRoom,
    FreeRooms,
    GoOffCall,
    GoOnCall,
    LeavePager,
    PagerLeft,
    PagerTaken,
    RoomBooked,
    RoomFreed,
    SwapPagers,
    TakePager,
    WentOffCall,
    WentOnCall,
)

DOCTORS = 8
PAGERS = ("ant", "bee", "cat", "Ant", "BEE")
ROOMS = ("a", "b")
HOURS = 6
CODES = {None, "NOT_UNIQUE", "NO_PAGER", "ALONE", "BOOKED", "FULL"}


KINDS = 4


def random_command(random_: random.Random, kind: int) -> object:
    """A command of one of the KINDS, which compete by one condition: no other finds what it misses."""
    doctor, other = random_.sample(range(DOCTORS), 2)
    usual = random_.random() < 0.6
    match kind:
        case 0:
            return TakePager(doctor, random_.choice(PAGERS)) if usual else LeavePager(doctor)
        case 1:
            return GoOffCall(doctor, doctor ^ 1) if usual else GoOnCall(doctor)
        case 2 if usual:
            return BookRoom(doctor, random_.choice(ROOMS), random_.randrange(HOURS))
        case 2:
            return FreeRooms(doctor)
        case _:
            return SwapPagers(doctor, other) if usual else TakePager(doctor, random_.choice(PAGERS))


@dataclass
class Clerk:
    """Answers one command after the other. No processor, and no code of Commander."""

    pagers: dict[int, str] = field(default_factory=dict)
    off: set[int] = field(default_factory=set)
    rooms: dict[str, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))  # doctors by hour
    booked: dict[int, list[tuple[str, int]]] = field(default_factory=lambda: defaultdict(list))

    def answer(self, command: object) -> str | list[object]:
        """The code of a rejection, or the events."""
        match command:
            case TakePager(doctor, pager):
                holders = {one.casefold(): holder for holder, one in self.pagers.items()}
                if holders.get(pager.casefold(), doctor) != doctor:
                    return "NOT_UNIQUE"
                self.pagers[doctor] = pager
                return [PagerTaken(doctor, pager)]
            case LeavePager(doctor):
                return "NO_PAGER" if self.pagers.pop(doctor, None) is None else [PagerLeft(doctor)]
            case SwapPagers(one, other):
                return self._swapped(one, other)
            case GoOffCall(doctor, colleague):
                if colleague in self.off:
                    return "ALONE"
                self.off.add(doctor)
                return [WentOffCall(doctor)]
            case GoOnCall(doctor):
                self.off.discard(doctor)
                return [WentOnCall(doctor)]
            case BookRoom(doctor, room, hour):
                return self._booked(doctor, room, hour)
            case FreeRooms(doctor):
                freed = self.booked.pop(doctor, [])
                for room, hour in freed:
                    del self.rooms[room][hour]
                return [RoomFreed(doctor, room, hour) for room, hour in freed]
        raise AssertionError(command)

    def _swapped(self, one: int, other: int) -> str | list[object]:
        if one not in self.pagers or other not in self.pagers:
            return "NO_PAGER"
        self.pagers[one], self.pagers[other] = self.pagers[other], self.pagers[one]
        return [PagerTaken(one, self.pagers[one]), PagerTaken(other, self.pagers[other])]

    def _booked(self, doctor: int, room: str, hour: int) -> str | list[object]:
        if hour in self.rooms[room]:
            return "BOOKED"
        if len(self.rooms[room]) >= ROOM:
            return "FULL"
        self.rooms[room][hour] = doctor
        self.booked[doctor].append((room, hour))
        return [RoomBooked(doctor, room, hour)]
