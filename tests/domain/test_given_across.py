"""Given, when, then for rules over several streams: unique keys, several states, decision models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest

from commander import Rejected, Viewer
from commander.domain import Domain, HookFailed
from commander.domain.rules import command_rule
from commander.testing import Forbidden, given
from tests.domain.school import (
    Audit,
    CourseJoined,
    CourseOpened,
    DeskGiven,
    DeskHandedOver,
    Enrol,
    Leave,
    OpenCourse,
    Register,
    SeatTaken,
    StudentLeft,
    StudentRegistered,
    SwapDesks,
    school,
)

ADA, BEN, MATHS, ART = UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=4)
TAKEN = Rejected("NOT_UNIQUE", "already taken: email")
ADA_REGISTERED = StudentRegistered(ADA, "Ada@example.com", ("1", "2"))
BEN_REGISTERED = StudentRegistered(BEN, "ben@example.com", ("3",))


def test_a_key_that_another_stream_has_is_refused() -> None:
    given(ADA_REGISTERED).when(Register(BEN, "ada@Example.com")).then(TAKEN)
    given(ADA_REGISTERED).when(Register(BEN, "ben@example.com")).then(
        StudentRegistered(BEN, "ben@example.com")
    )


def test_the_stream_itself_may_keep_its_keys() -> None:
    given(ADA_REGISTERED).when(Register(ADA, "ada@example.com")).then(
        StudentRegistered(ADA, "ada@example.com")
    )


def test_a_key_that_a_function_gives_is_refused_too() -> None:
    rejected = Rejected("NOT_UNIQUE", "already taken: phones")
    given(ADA_REGISTERED).when(Register(BEN, "ben@example.com", ("9", "2"))).then(rejected)


def test_a_key_that_a_stream_has_given_up_is_free() -> None:
    registered = StudentRegistered(BEN, "ada@example.com")
    given(ADA_REGISTERED, StudentLeft(ADA)).when(Register(BEN, "ada@example.com")).then(registered)


def test_a_key_that_two_streams_have_from_before_the_rule_is_held_against_neither() -> None:
    same = ADA_REGISTERED, StudentRegistered(BEN, "ada@example.com")
    given(*same).when(SwapDesks(ADA, BEN)).then(DeskGiven(ADA), DeskGiven(BEN))


def test_the_state_of_a_command_is_that_of_its_own_stream() -> None:
    given(ADA_REGISTERED).when(Leave(BEN)).then(Rejected("NOT_REGISTERED"))


def test_a_decider_gets_the_state_of_each_stream() -> None:
    events = CourseJoined(ADA, MATHS), SeatTaken(ADA)
    before = ADA_REGISTERED, CourseOpened(MATHS, 1), CourseOpened(ART, 0)
    given(*before).when(Enrol(ADA, MATHS)).then(*events)
    given(*before).when(Enrol(ADA, ART)).then(Rejected("FULL"))
    given(*before).when(Enrol(BEN, MATHS)).then(Rejected("NOT_REGISTERED"))


def test_an_event_without_a_key_is_of_the_stream_that_the_command_names() -> None:
    before = ADA_REGISTERED, CourseOpened(MATHS, 1), SeatTaken(BEN)
    given(*before).when(Enrol(ADA, MATHS)).then(Rejected("FULL"))


def test_an_event_without_a_key_that_could_be_of_two_streams_is_an_error() -> None:
    with pytest.raises(TypeError, match="DeskHandedOver has no field student_id, so it is not clear"):
        given(DeskHandedOver("by the window")).when(SwapDesks(ADA, BEN))


def test_two_states_of_one_aggregate() -> None:
    before = ADA_REGISTERED, BEN_REGISTERED
    given(*before).when(SwapDesks(ADA, BEN)).then(DeskGiven(ADA), DeskGiven(BEN))


def test_a_decision_model_has_the_events_with_its_tags_of_all_streams() -> None:
    registered = ADA_REGISTERED, BEN_REGISTERED
    joined = CourseJoined(ADA, MATHS, "autumn")
    audited = CourseJoined(BEN, MATHS, "autumn")
    given(*registered, joined).when(Audit(BEN, MATHS, "autumn")).then(audited)
    given(*registered, joined).when(Audit(ADA, MATHS, "spring")).then(Rejected("NO_CHAIR"))
    twice = joined, CourseJoined(UUID(int=9), MATHS, "autumn")
    given(*registered, *twice).when(Audit(BEN, MATHS, "autumn")).then(Rejected("NO_CHAIR"))
    given(*registered, *twice).when(Audit(BEN, MATHS, "spring")).then(CourseJoined(BEN, MATHS, "spring"))
    given(*registered, *twice).when(Audit(BEN, ART, "autumn")).then(CourseJoined(BEN, ART, "autumn"))


def test_an_event_that_no_state_counts_is_an_error() -> None:
    with pytest.raises(TypeError, match="CourseOpened is not an event of the aggregate student"):
        given(CourseOpened(MATHS, 1)).when(Register(ADA, "a"))
    with pytest.raises(TypeError, match="CourseOpened is not an event of the aggregate student or listeners"):
        given(CourseOpened(MATHS, 1)).when(Audit(ADA, MATHS, "autumn"))


def test_a_command_of_an_aggregate_without_keys_has_one_stream_as_before() -> None:
    given(CourseOpened(ART, 1)).when(OpenCourse(MATHS, 2)).then(CourseOpened(MATHS, 2))


def test_no_event_at_all() -> None:
    given().when(Register(ADA, "ada@example.com")).then(StudentRegistered(ADA, "ada@example.com"))
    given().when(Enrol(ADA, MATHS)).then(Rejected("NOT_REGISTERED"))


@pytest.fixture
def hooked() -> Iterator[Domain]:
    """The school. Its hooks are gone after the test."""
    vars(school).pop("rejection_codes", None)
    yield school
    for hooks in (school.submit_hooks, school.decide_hooks):
        hooks.all.clear()
        hooks._of.clear()
    vars(school).pop("rejection_codes", None)


def test_hooks_see_the_command_and_the_decision_of_a_decider(hooked: Domain) -> None:
    seen: list[Any] = []

    @hooked.before_submit(Enrol)
    def elsewhere(command: Enrol) -> Enrol:
        return Enrol(command.student_id, ART)

    @hooked.after_decide(Enrol)
    def note(command: Enrol, decision: Any) -> None:
        seen.append(decision)
        if decision == (CourseJoined(BEN, ART), SeatTaken(BEN)):
            raise Rejected("NOT_BEN")

    before = ADA_REGISTERED, BEN_REGISTERED, CourseOpened(ART, 5)
    events = CourseJoined(ADA, ART), SeatTaken(ADA)
    given(*before).when(Enrol(ADA, MATHS)).then(*events)
    given(*before).when(Enrol(BEN, MATHS)).then(Rejected("NOT_BEN"))
    given(ADA_REGISTERED).when(Enrol(ADA, MATHS)).then(Rejected("FULL"))
    assert seen[0] == events
    assert isinstance(seen[2], Rejected)


def test_a_hook_must_not_change_the_key_of_the_first_state(hooked: Domain) -> None:
    @hooked.before_submit(SwapDesks)
    def swapped(command: SwapDesks) -> SwapDesks:
        return SwapDesks(command.other_id, command.one_id)

    with pytest.raises(HookFailed, match=r"changed SwapDesks.one_id, the key of the aggregate"):
        given().when(SwapDesks(ADA, BEN))


@pytest.mark.parametrize(("who", "allowed"), [("Ada@example.com", True), ("eve", False)])
def test_a_rule_on_the_state_gets_the_first_state(
    who: str, allowed: bool, ruled: Callable[[Any], None]
) -> None:
    ruled(lambda viewer, command, state: state.email == viewer.subject)
    decided = given(ADA_REGISTERED, CourseOpened(MATHS, 1)).as_viewer(Viewer(who)).when(Enrol(ADA, MATHS))
    decided.then(*((CourseJoined(ADA, MATHS), SeatTaken(ADA)) if allowed else (Forbidden,)))


@pytest.fixture
def ruled() -> Iterator[Callable[[Any], None]]:
    """Gives the command Enrol another rule, until the test ends."""
    type_ = school.commands["Enrol"]
    before = type_.allow

    def give(rule: Any) -> None:
        object.__setattr__(type_, "allow", command_rule(rule, "here:1", "Enrol"))

    yield give
    object.__setattr__(type_, "allow", before)
