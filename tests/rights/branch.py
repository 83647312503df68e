"""The bank with what it has none of: a field that only tellers see, types without a rule, code that fails.

Only the processes of a system import it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Annotated
from uuid import UUID

from commander import Domain, Viewer, Visible, any_of, anyone, where

TELLERS = frozenset({"teller"})
Note = Annotated[str | None, Visible(TELLERS)]


def _imported_anew() -> Domain:
    """A bank of its own: the one that this process has stays as it is."""
    name = "commander.examples.bank"
    for module in [module for module in sys.modules if module.startswith(name)]:
        del sys.modules[module]
    made: Domain = import_module(name).bank
    return made


branch = _imported_anew()


def complains_itself(viewer: Viewer, command: Complain) -> bool:
    return viewer.subject is not None and command.customer == viewer.subject


def complained(viewer: Viewer, command: object, complaint: Complaint) -> bool:
    return viewer.subject is not None and complaint.customer == viewer.subject


def of_customer(viewer: Viewer) -> object:
    return where(customer=viewer.subject)


@branch.command(allow=any_of(TELLERS, complains_itself))
@dataclass(frozen=True)
class Complain:
    complaint_id: UUID
    customer: str
    text: str
    note: Note = None


@branch.command(allow=TELLERS)
@dataclass(frozen=True)
class HandOver:
    complaint_id: UUID
    customer: str


@branch.command(allow=any_of(TELLERS, complained))
@dataclass(frozen=True)
class Publish:
    complaint_id: UUID


@branch.command(allow=anyone)
@dataclass(frozen=True)
class Jam:
    """Its decider fails."""

    complaint_id: UUID


@branch.command
@dataclass(frozen=True)
class Archive:
    """Without a rule: for operators."""

    complaint_id: UUID


@branch.event(visible=any_of(TELLERS, of_customer))
@dataclass(frozen=True)
class Complained:
    complaint_id: UUID
    customer: str
    text: str
    note: Note


@branch.event(visible=any_of(TELLERS, of_customer))
@dataclass(frozen=True)
class HandedOver:
    complaint_id: UUID
    customer: str


@branch.event(visible=anyone)
@dataclass(frozen=True)
class Published:
    complaint_id: UUID


@branch.event
@dataclass(frozen=True)
class Archived:
    """Without a rule: for operators."""

    complaint_id: UUID


@branch.aggregate(key="complaint_id", unique=("text",))
@dataclass(frozen=True)
class Complaint:
    customer: str | None = None
    text: str | None = None

    def complain(self, command: Complain) -> Complained:
        return Complained(command.complaint_id, command.customer, command.text, command.note)

    def hand_over(self, command: HandOver) -> HandedOver:
        return HandedOver(command.complaint_id, command.customer)

    def publish(self, command: Publish) -> Published:
        return Published(command.complaint_id)

    def jam(self, command: Jam) -> Published:
        raise RuntimeError("jammed")

    def archive(self, command: Archive) -> Archived:
        return Archived(command.complaint_id)

    def complained(self, event: Complained) -> Complaint:
        return Complaint(event.customer, event.text)

    def handed_over(self, event: HandedOver) -> Complaint:
        return replace(self, customer=event.customer)

    def published(self, event: Published) -> Complaint:
        return self

    def archived(self, event: Archived) -> Complaint:
        return self


@branch.projection(
    "complaint",
    key="complaint_id",
    indexes=("customer", "note"),
    visible=any_of(TELLERS, where(public=True), of_customer),
)
@dataclass(frozen=True)
class ComplaintRow:
    complaint_id: UUID
    customer: str
    text: str
    note: Note
    public: bool = False

    @classmethod
    def complained(cls, event: Complained) -> ComplaintRow:
        return cls(event.complaint_id, event.customer, event.text, event.note)

    def handed_over(self, event: HandedOver) -> ComplaintRow:
        return replace(self, customer=event.customer)

    def published(self, event: Published) -> ComplaintRow:
        return replace(self, public=True)


@branch.projection("dossier", key="complaint_id")
@dataclass(frozen=True)
class DossierRow:
    """Without a rule: for operators."""

    complaint_id: UUID

    @classmethod
    def archived(cls, event: Archived) -> DossierRow:
        return cls(event.complaint_id)


@branch.reactor(key="complaint_id")
@dataclass(frozen=True)
class Answering:
    """Answers a complaint about a jam with a command that fails."""

    def complained(self, event: Complained) -> Jam | None:
        return Jam(event.complaint_id) if event.text == "a jam" else None


@branch.reactor(key="complaint_id")
@dataclass(frozen=True)
class Filing:
    """It fails, so the complaint stays parked."""

    def archived(self, event: Archived) -> Publish:
        raise RuntimeError("the archive is closed")


@branch.effect(Archived, attempts=1)
async def shred(event: Archived) -> None:
    raise RuntimeError("the shredder is full")
