"""Members of a club, found by unique keys. Its rows, and one of their columns, are not for everyone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated
from uuid import UUID

from commander import BigInt, Domain, Unique, Viewer, Visible, any_of, anyone, where

CLERKS = frozenset({"clerk"})
club = Domain("club")


class Country(Enum):
    DENMARK = "dk"
    ITALY = "it"


def address(text: str) -> str:
    if "@" not in text:
        raise ValueError(f"{text} is no address")
    return text.casefold()


def own_row(viewer: Viewer) -> object:
    return where(person=viewer.subject)


@club.command(allow=anyone)
@dataclass(frozen=True)
class Join:
    member_id: UUID
    person: str
    email: str
    country: Country
    number: BigInt
    badge: str
    born: date
    fee: Decimal
    entered: datetime
    phones: tuple[str, ...] = ()


@club.command(allow=anyone)
@dataclass(frozen=True)
class ChangeAddress:
    member_id: UUID
    email: str | None


@club.command(allow=anyone)
@dataclass(frozen=True)
class Invite:
    member_id: UUID
    email: str


@club.event(visible=anyone)
@dataclass(frozen=True)
class Joined:
    member_id: UUID
    person: str
    email: str
    country: Country
    number: BigInt
    badge: Annotated[str, Visible(CLERKS)]
    born: date
    fee: Decimal
    entered: datetime
    phones: tuple[str, ...]


@club.event(visible=anyone)
@dataclass(frozen=True)
class AddressChanged:
    member_id: UUID
    email: str | None


@club.event(visible=anyone)
@dataclass(frozen=True)
class Invited:
    member_id: UUID
    email: str


@club.aggregate(
    key="member_id",
    unique=(
        Unique("email", normalise=address),
        ("country", "number"),
        "badge",
        Unique("born", "fee", "entered", name="details"),
        Unique("phones", keys=lambda member: member.phones),
    ),
)
@dataclass(frozen=True)
class Member:
    email: str | None = None
    country: Country | None = None
    number: BigInt | None = None
    badge: str | None = None
    born: date | None = None
    fee: Decimal | None = None
    entered: datetime | None = None
    phones: tuple[str, ...] = ()

    def join(self, command: Join) -> Joined:
        return Joined(**vars(command))

    def change(self, command: ChangeAddress) -> AddressChanged:
        return AddressChanged(command.member_id, command.email)

    def joined(self, event: Joined) -> Member:
        given = vars(event)
        return Member(**{name: given[name] for name in vars(self)})

    def changed(self, event: AddressChanged) -> Member:
        return replace(self, email=event.email)


@club.aggregate(key="member_id", unique=("email",))
@dataclass(frozen=True)
class Guest:
    """Its key has the name and the type of that of a member."""

    email: str | None = None

    def invite(self, command: Invite) -> Invited:
        return Invited(command.member_id, command.email)

    def invited(self, event: Invited) -> Guest:
        return Guest(event.email)


@club.projection("member", key="member_id", visible=any_of(CLERKS, own_row))
@dataclass(frozen=True)
class MemberRow:
    member_id: UUID
    person: str
    email: str | None
    country: Country
    number: BigInt
    badge: Annotated[str, Visible(CLERKS)]
    born: date
    fee: Decimal
    entered: datetime

    @classmethod
    def joined(cls, event: Joined) -> MemberRow:
        return cls(*(value for name, value in vars(event).items() if name != "phones"))

    def changed(self, event: AddressChanged) -> MemberRow:
        return replace(self, email=event.email)


@club.projection("mail_address", plural="mail_addresses", key="member_id", visible=anyone)
@dataclass(frozen=True)
class AddressRow:
    """It has the columns of one unique key, and its number is of another type."""

    member_id: UUID
    email: str | None
    country: Country
    number: str

    @classmethod
    def joined(cls, event: Joined) -> AddressRow:
        return cls(event.member_id, event.email, event.country, str(event.number))

    def changed(self, event: AddressChanged) -> AddressRow:
        return replace(self, email=event.email)


@club.projection("guest", key="member_id", visible=anyone)
@dataclass(frozen=True)
class GuestRow:
    member_id: UUID
    email: str

    @classmethod
    def invited(cls, event: Invited) -> GuestRow:
        return cls(event.member_id, event.email)


@club.projection("person", key="member_id", visible=anyone)
@dataclass(frozen=True)
class PersonRow:
    """A member or a guest: its key does not say which."""

    member_id: UUID
    email: str

    @classmethod
    def joined(cls, event: Joined) -> PersonRow:
        return cls(event.member_id, event.email)

    @classmethod
    def invited(cls, event: Invited) -> PersonRow:
        return cls(event.member_id, event.email)


@club.projection("nationality", plural="nationalities", key="country", visible=anyone)
@dataclass(frozen=True)
class NationalityRow:
    """Its key is not that of an aggregate."""

    country: Country
    email: str

    @classmethod
    def joined(cls, event: Joined) -> NationalityRow:
        return cls(event.country, event.email)
