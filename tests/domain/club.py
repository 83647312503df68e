"""Members of a club who write to each other by address: its deciders find states by unique keys."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from commander import Domain, Found, Rejected, Unique, by

club = Domain("club")

FULL = 4
"""So many letters fit into a letter box."""


class Door(Enum):
    FRONT = "front"
    BACK = "back"


@club.event
@dataclass(frozen=True)
class AddressTaken:
    member: int
    address: str
    phones: tuple[str, ...] = ()


@club.event
@dataclass(frozen=True)
class AddressGivenUp:
    member: int


@club.event
@dataclass(frozen=True)
class LetterSent:
    member: int
    by_phone: bool = False


@club.event
@dataclass(frozen=True)
class LetterReceived:
    member: int
    address: str


@club.event
@dataclass(frozen=True)
class BoxEmptied:
    member: int


@club.event
@dataclass(frozen=True)
class RoomBuilt:
    room: str
    door: Door
    number: int


@club.event
@dataclass(frozen=True)
class ChairBrought:
    """Without the key of its stream: it goes to the only room of its decider."""

    by: int


@club.command
@dataclass(frozen=True)
class TakeAddress:
    member: int
    address: str
    phones: tuple[str, ...] = ()


@club.command
@dataclass(frozen=True)
class GiveUpAddress:
    member: int


@club.command
@dataclass(frozen=True)
class HandOverAddress:
    member: int
    to: int


@club.command
@dataclass(frozen=True)
class EmptyBox:
    member: int


@club.command
@dataclass(frozen=True)
class Send:
    member: int
    to_address: str | None


@club.command
@dataclass(frozen=True)
class RingUp:
    member: int
    phone: str


@club.command
@dataclass(frozen=True)
class BuildRoom:
    room: str
    door: Door
    number: int


@club.command
@dataclass(frozen=True)
class BringChair:
    member: int
    door: Door
    number: int
    even_if_none: bool = False


@club.aggregate(
    key="member",
    unique=(Unique("address", normalise=str.casefold), Unique(name="phone", keys=lambda one: one.phones)),
)
@dataclass(frozen=True)
class Member:
    address: str | None = None
    phones: tuple[str, ...] = ()
    letters: int = 0

    def take(self, command: TakeAddress) -> AddressTaken:
        return AddressTaken(command.member, command.address, command.phones)

    def give_up(self, command: GiveUpAddress) -> AddressGivenUp:
        return AddressGivenUp(command.member)

    def empty(self, command: EmptyBox) -> BoxEmptied:
        return BoxEmptied(command.member)

    def has_room(self) -> None:
        if self.letters >= FULL:
            raise Rejected("FULL", "the letter box is full")

    def taken(self, event: AddressTaken) -> Member:
        return replace(self, address=event.address, phones=event.phones)

    def given_up(self, event: AddressGivenUp) -> Member:
        return replace(self, address=None, phones=())

    def sent(self, event: LetterSent) -> Member:
        return self

    def received(self, event: LetterReceived) -> Member:
        return replace(self, letters=self.letters + 1)

    def emptied(self, event: BoxEmptied) -> Member:
        return replace(self, letters=0)


def numbered(door: Door, number: int) -> tuple[Door, int]:
    if number < 0:
        raise ValueError("no room has such a number")
    return door, number


@club.aggregate(key="room", unique=(Unique("door", "number", normalise=numbered),))
@dataclass(frozen=True)
class Room:
    door: Door | None = None
    number: int = 0
    chairs: int = 0

    def build(self, command: BuildRoom) -> RoomBuilt:
        return RoomBuilt(command.room, command.door, command.number)

    def built(self, event: RoomBuilt) -> Room:
        return replace(self, door=event.door, number=event.number)

    def brought(self, event: ChairBrought) -> Room:
        return replace(self, chairs=self.chairs + 1)


@club.decider(source="member", target="to")
def hand_over(
    command: HandOverAddress, source: Member, target: Member
) -> tuple[AddressGivenUp, AddressTaken]:
    if source.address is None or command.member == command.to:
        raise Rejected("NO_ADDRESS")
    return AddressGivenUp(command.member), AddressTaken(command.to, source.address, source.phones)


@club.decider(target=by("address", "to_address"))
def send(command: Send, source: Member, target: Found[Member] | None) -> tuple[LetterSent, LetterReceived]:
    if target is None or command.to_address is None:
        raise Rejected("NOBODY", "no member has the address")
    target.state.has_room()
    return LetterSent(command.member), LetterReceived(target.key, command.to_address)


@club.decider(target=by("phone", "phone"))
def ring_up(command: RingUp, source: Member, target: Found[Member] | None) -> LetterSent:
    if target is None:
        raise Rejected("NO_ANSWER")
    return LetterSent(target.key, by_phone=True)


@club.decider(room=by("door_number"))
def bring(command: BringChair, member: Member, room: Found[Room] | None) -> ChairBrought:
    if room is None and not command.even_if_none:
        raise Rejected("NO_ROOM")
    return ChairBrought(command.member)
