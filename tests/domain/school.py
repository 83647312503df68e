"""Students and courses: a domain whose rules need more than one stream."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated
from uuid import UUID

from commander import CommandContext, Domain, Rejected, Tag, Unique, guards

school = Domain("school")


@school.event
@dataclass(frozen=True)
class StudentRegistered:
    student_id: UUID
    email: str
    phones: tuple[str, ...] = ()


@school.event
@dataclass(frozen=True)
class StudentLeft:
    student_id: UUID


@school.event
@dataclass(frozen=True)
class CourseOpened:
    course_id: UUID
    seats: int


@school.event(was=("Joined",))
@dataclass(frozen=True)
class CourseJoined:
    student_id: UUID
    course_id: Annotated[UUID, Tag()]
    term: Annotated[str | None, Tag()] = None


@school.event
@dataclass(frozen=True)
class SeatTaken:
    """Without the key of its stream: the decider has one course, so it is clear where it goes."""

    student_id: UUID


@school.event
@dataclass(frozen=True)
class DeskGiven:
    student_id: UUID


@school.event
@dataclass(frozen=True)
class DeskHandedOver:
    """Without the key of its stream."""

    desk: str


@school.command
@dataclass(frozen=True)
class Register:
    student_id: UUID
    email: str
    phones: tuple[str, ...] = ()


@school.command
@dataclass(frozen=True)
class Leave:
    student_id: UUID


@school.command
@dataclass(frozen=True)
class OpenCourse:
    course_id: UUID
    seats: int


@school.command(allow={"clerk"})
@dataclass(frozen=True)
class Enrol:
    student_id: UUID
    course_id: UUID


@school.command
@dataclass(frozen=True)
class Audit:
    student_id: UUID
    audited_id: UUID
    term: str


@school.command
@dataclass(frozen=True)
class SwapDesks:
    one_id: UUID
    other_id: UUID
    how: str = "both"


@school.aggregate(
    key="student_id",
    unique=(Unique("email", normalise=str.casefold), Unique("phones", keys=lambda student: student.phones)),
)
@dataclass(frozen=True)
class Student:
    email: str | None = None
    phones: tuple[str, ...] = ()
    courses: tuple[UUID, ...] = ()
    desks: int = 0

    @guards(Enrol, Leave)
    def is_registered(self) -> None:
        if self.email is None:
            raise Rejected("NOT_REGISTERED")

    def limit(self) -> None:
        if len(self.courses) >= 5:
            raise Rejected("TOO_MANY_COURSES", "a student may take five courses")

    def register(self, command: Register) -> StudentRegistered:
        return StudentRegistered(command.student_id, command.email, command.phones)

    def leave(self, command: Leave) -> StudentLeft:
        return StudentLeft(command.student_id)

    def registered(self, event: StudentRegistered) -> Student:
        return replace(self, email=event.email, phones=event.phones)

    def left(self, event: StudentLeft) -> Student:
        return replace(self, email=None, phones=())

    def joined(self, event: CourseJoined) -> Student:
        return replace(self, courses=(*self.courses, event.course_id))

    def given(self, event: DeskGiven) -> Student:
        return replace(self, desks=self.desks + 1)

    def handed_over(self, event: DeskHandedOver) -> Student:
        return replace(self, desks=self.desks - 1)


@school.aggregate(key="course_id")
@dataclass(frozen=True)
class Course:
    seats: int = 0

    def open(self, command: OpenCourse) -> CourseOpened:
        return CourseOpened(command.course_id, command.seats)

    def opened(self, event: CourseOpened) -> Course:
        return replace(self, seats=event.seats)

    def taken(self, event: SeatTaken) -> Course:
        return replace(self, seats=self.seats - 1)


@school.decision_model(tags=("course_id",))
@dataclass(frozen=True)
class Listeners:
    """Those who have joined a course, in any term."""

    ids: tuple[UUID, ...] = ()

    def joined(self, event: CourseJoined) -> Listeners:
        return replace(self, ids=(*self.ids, event.student_id))


@school.decision_model(tags=("course_id", "term"), name="ofTerm")
@dataclass(frozen=True)
class InTerm:
    """Those who have joined a course in one term. It can be changed in place."""

    ids: list[UUID] = field(default_factory=list)

    def joined(self, event: CourseJoined) -> InTerm:
        self.ids.append(event.student_id)
        return self


@school.decider(everyone="audited_id", term=("audited_id", "term"))
def audit(command: Audit, student: Student, everyone: Listeners, term: InTerm) -> CourseJoined:
    term.ids.append(command.student_id)
    if len(term.ids) > 2 or command.student_id in everyone.ids:
        raise Rejected("NO_CHAIR")
    return CourseJoined(command.student_id, command.audited_id, command.term)


@school.decider()
def enrol(command: Enrol, student: Student, course: Course) -> tuple[CourseJoined, SeatTaken]:
    student.limit()
    if course.seats == 0:
        raise Rejected("FULL", "the course has no seat left")
    return CourseJoined(command.student_id, command.course_id), SeatTaken(command.student_id)


@school.decider(one="one_id", other="other_id")
def swap(
    command: SwapDesks, one: Student, other: Student, context: CommandContext
) -> list[object] | DeskGiven:
    match command.how:
        case "both":
            return [DeskGiven(command.one_id), DeskGiven(command.other_id)]
        case "elsewhere":
            return DeskGiven(context.command_id)
        case "nowhere":
            return [DeskHandedOver("by the window")]
        case _:
            return [CourseOpened(command.one_id, 1)]
