"""A domain whose rows, and fields of rows, are not for everyone: patients and their visits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated
from uuid import UUID

from commander import Domain, Ref, Viewer, Visible, any_of, anyone, same_as, where

clinic = Domain("clinic")
Visits = Annotated[UUID, Ref("patient", reverse="visits")]


def own_patient(viewer: Viewer) -> object:
    return where(person=viewer.subject)


@clinic.command(allow=anyone)
@dataclass(frozen=True)
class Admit:
    patient_id: UUID
    person: str
    diagnosis: str


@clinic.command(allow=anyone)
@dataclass(frozen=True)
class Reassign:
    patient_id: UUID
    person: str


@clinic.command(allow=anyone)
@dataclass(frozen=True)
class Book:
    visit_id: UUID
    patient_id: UUID
    room: str


@clinic.event(visible=any_of({"doctor"}, same_as("patient")))
@dataclass(frozen=True)
class Admitted:
    patient_id: UUID
    person: str
    diagnosis: Annotated[str, Visible({"doctor"})]


@clinic.event(visible=any_of({"doctor"}, same_as("patient")))
@dataclass(frozen=True)
class Reassigned:
    patient_id: UUID
    person: str


@clinic.event(visible={"doctor"})
@dataclass(frozen=True)
class Booked:
    visit_id: UUID
    patient_id: UUID
    room: str


@clinic.aggregate(key="patient_id")
@dataclass(frozen=True)
class Patient:
    def admit(self, command: Admit) -> Admitted:
        return Admitted(command.patient_id, command.person, command.diagnosis)

    def reassign(self, command: Reassign) -> Reassigned:
        return Reassigned(command.patient_id, command.person)

    def admitted(self, event: Admitted) -> Patient:
        return self

    def reassigned(self, event: Reassigned) -> Patient:
        return self


@clinic.aggregate(key="visit_id")
@dataclass(frozen=True)
class Visit:
    def book(self, command: Book) -> Booked:
        return Booked(command.visit_id, command.patient_id, command.room)

    def booked(self, event: Booked) -> Visit:
        return self


@clinic.projection(
    "patient", key="patient_id", indexes=("person", "diagnosis"), visible=any_of({"doctor"}, own_patient)
)
@dataclass(frozen=True)
class PatientRow:
    patient_id: UUID
    person: str
    diagnosis: Annotated[str, Visible({"doctor"})]

    @classmethod
    def admitted(cls, event: Admitted) -> PatientRow:
        return cls(event.patient_id, event.person, event.diagnosis)

    def reassigned(self, event: Reassigned) -> PatientRow:
        return replace(self, person=event.person)


@clinic.projection("visit", key="visit_id", indexes=("patient_id", "room"), visible=anyone)
@dataclass(frozen=True)
class VisitRow:
    visit_id: UUID
    patient_id: Visits
    room: str

    @classmethod
    def booked(cls, event: Booked) -> VisitRow:
        return cls(event.visit_id, event.patient_id, event.room)


@clinic.projection("note", key="visit_id", visible={"doctor"})
@dataclass(frozen=True)
class NoteRow:
    visit_id: UUID
    patient_id: Annotated[UUID, Ref("patient", reverse="notes")]

    @classmethod
    def booked(cls, event: Booked) -> NoteRow:
        return cls(event.visit_id, event.patient_id)


@clinic.projection("ward", key="room")
@dataclass(frozen=True)
class WardRow:
    """Without a rule: for operators."""

    room: str
    visits: int = 0

    @classmethod
    def booked(cls, event: Booked) -> WardRow:
        return cls(event.room, 1)
