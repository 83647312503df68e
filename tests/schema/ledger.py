"""A domain with a projection that can be stopped, one that is sound, and one for some of the rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated
from uuid import UUID

from commander import Domain, Ge, Message, touches

ledger = Domain("ledger")
UNLUCKY = 13
mended = False


@ledger.event
@dataclass(frozen=True)
class Booked:
    book_id: UUID
    amount: int
    tag: str | None = None


@ledger.event
@dataclass(frozen=True)
class Signed:
    book_id: UUID


@ledger.command
@dataclass(frozen=True)
class Write:
    book_id: UUID
    amount: Annotated[int, Ge(0), Message("no debts")]
    tag: str | None = None


@ledger.aggregate(key="book_id")
@dataclass(frozen=True)
class Book:
    amount: int = 0

    def write(self, command: Write) -> list[Booked | Signed]:
        return [Booked(command.book_id, command.amount, command.tag), Signed(command.book_id)]

    def booked(self, event: Booked) -> Book:
        return replace(self, amount=event.amount)

    def signed(self, event: Signed) -> Book:
        return self


@ledger.projection("page", key="book_id")
@dataclass(frozen=True)
class Page:
    book_id: UUID
    amount: int

    @classmethod
    def booked(cls, event: Booked) -> Page:
        if event.amount == UNLUCKY and not mended:
            raise ValueError("unlucky")
        return cls(event.book_id, event.amount)


@ledger.projection("sound", key="book_id")
@dataclass(frozen=True)
class Sound:
    book_id: UUID
    amount: int

    @classmethod
    def booked(cls, event: Booked) -> Sound:
        return cls(event.book_id, event.amount)


@ledger.projection("tag", key="tag")
@dataclass(frozen=True)
class Tag:
    tag: str

    @classmethod
    @touches("tag")
    def booked(cls, event: Booked, row: Tag | None, key: str) -> Tag:
        if event.amount == UNLUCKY and not mended:
            raise ValueError("unlucky too")
        return cls(key)
