"""Deciders over several states: where their states come from, and where their events go."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from commander import CommandContext, Rejected
from commander.domain import InvalidCommand, InvalidDecision
from commander.domain.deciders import QuerySource, StreamSource
from tests.domain.school import (
    Audit,
    Course,
    CourseJoined,
    DeskGiven,
    Enrol,
    InTerm,
    Leave,
    Listeners,
    OpenCourse,
    Register,
    SeatTaken,
    Student,
    SwapDesks,
    school,
)

ONE, TWO = UUID(int=1), UUID(int=2)
CONTEXT = CommandContext(UUID(int=7), UUID(int=7), datetime(2000, 1, 1, tzinfo=UTC))
ADA = Student("ada@example.com")


def decided(command: Any, *states: Any) -> Any:
    decider = school.deciders[type(command).__name__]
    return decider.decide(decider.sources_of(command), states, command, lambda: CONTEXT)


def test_the_command_belongs_to_the_stream_of_the_first_state() -> None:
    school.check()
    student, course = school.aggregates["student"], school.aggregates["course"]
    assert school.aggregate_of_command("Enrol") is school.aggregate_of_command("SwapDesks") is student
    assert school.stream_of(Enrol(ONE, TWO)) == f"student-{ONE}"
    assert school.stream_of(SwapDesks(TWO, ONE)) == f"student-{TWO}"
    assert school.stream_of(OpenCourse(TWO, 5)) == f"course-{TWO}"
    keys = {name: school.key_of_command(name) for name in ("Enrol", "SwapDesks", "OpenCourse")}
    assert keys == {"Enrol": "student_id", "SwapDesks": "one_id", "OpenCourse": "course_id"}
    assert [one.name for one in school.commands_of(student)] == [
        "Register",
        "Leave",
        "Enrol",
        "Audit",
        "SwapDesks",
    ]
    assert [one.name for one in school.commands_of(course)] == ["OpenCourse"]


def test_each_state_has_its_stream() -> None:
    sources = school.deciders["Enrol"].sources_of(Enrol(ONE, TWO))
    assert sources == (StreamSource(f"student-{ONE}"), StreamSource(f"course-{TWO}"))
    assert school.deciders["SwapDesks"].sources_of(SwapDesks(ONE, ONE)) == (
        StreamSource(f"student-{ONE}"),
        StreamSource(f"student-{ONE}"),
    )


def test_a_key_that_is_too_long_for_a_stream_names_its_field() -> None:
    with pytest.raises(InvalidCommand) as caught:
        school.deciders["SwapDesks"].sources_of(SwapDesks(ONE, "x" * 500))  # type: ignore[arg-type]
    assert [problem.path for problem in caught.value.problems] == [("other_id",)]


def test_the_aggregates_that_deciders_over_several_states_take_are_shared() -> None:
    assert school.shared == {"student", "course"}


def test_an_event_goes_to_the_state_that_evolves_by_it() -> None:
    events = (0, CourseJoined(ONE, TWO)), (1, SeatTaken(ONE))
    assert decided(Enrol(ONE, TWO), ADA, Course(5)) == events


def test_of_two_states_of_an_aggregate_the_key_in_the_event_decides() -> None:
    assert decided(SwapDesks(ONE, TWO), ADA, ADA) == ((0, DeskGiven(ONE)), (1, DeskGiven(TWO)))
    assert decided(SwapDesks(ONE, ONE), ADA, ADA) == ((0, DeskGiven(ONE)), (0, DeskGiven(ONE)))


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ("elsewhere", f"swap returned DeskGiven for student-{CONTEXT.command_id}, which is not one of its"),
        ("nowhere", "swap returned DeskHandedOver, which has no field with the key of one of its streams"),
        ("other", "swap returned CourseOpened, which is not an event of its aggregate"),
    ],
)
def test_an_event_for_no_stream_of_the_decider_is_no_decision(how: str, problem: str) -> None:
    with pytest.raises(InvalidDecision, match=problem):
        decided(SwapDesks(ONE, TWO, how), ADA, ADA)


def test_an_event_with_the_key_of_another_stream_is_no_decision() -> None:
    """Also if only one state evolves by it."""
    event = CourseJoined(TWO, TWO)
    decider = school.deciders["Enrol"]
    command = Enrol(ONE, TWO)
    with pytest.raises(InvalidDecision, match=f"CourseJoined for student-{TWO}, which is not one"):
        decider._index_of(event, decider.sources_of(command), command)


def test_a_rejection_and_the_guards_of_the_first_state() -> None:
    with pytest.raises(Rejected, match="FULL"):
        decided(Enrol(ONE, TWO), ADA, Course(0))
    with pytest.raises(Rejected, match="NOT_REGISTERED"):
        decided(Enrol(ONE, TWO), Student(), Course(0))


def test_the_context_is_made_only_for_a_decider_that_takes_it() -> None:
    def context() -> CommandContext:
        raise AssertionError("nobody asked for it")

    enrol = school.deciders["Enrol"]
    assert enrol.decide(enrol.sources_of(Enrol(ONE, TWO)), (ADA, Course(5)), Enrol(ONE, TWO), context)
    assert school.deciders["SwapDesks"].takes_context


def test_the_codes_of_a_decider_are_found_in_it_in_guards_and_in_methods_of_its_states() -> None:
    codes = school.rejection_codes
    assert set(codes["Enrol"]) == {"FULL", "NOT_REGISTERED", "TOO_MANY_COURSES", "NOT_UNIQUE"}
    assert codes["Enrol"]["FULL"] == "the course has no seat left"
    assert set(codes["OpenCourse"]) == set()


def test_every_command_that_could_claim_a_key_can_be_rejected_for_it() -> None:
    claiming = {name for name, codes in school.rejection_codes.items() if "NOT_UNIQUE" in codes}
    assert claiming == {one.__name__ for one in (Register, Leave, Enrol, Audit, SwapDesks)}


def test_a_decision_model_has_a_query_by_the_values_in_the_command() -> None:
    types = ("Joined",)
    assert school.deciders["Audit"].sources_of(Audit(ONE, TWO, "autumn")) == (
        StreamSource(f"student-{ONE}"),
        QuerySource("listeners", (f"course_id:{TWO}",), types),
        QuerySource("ofTerm", (f"course_id:{TWO}", "term:autumn"), types),
    )


def test_a_tag_that_is_too_long_names_the_field_of_the_command() -> None:
    school.deciders["Audit"].sources_of(Audit(ONE, TWO, "x" * 495))
    with pytest.raises(InvalidCommand, match="term: must have at most 495 bytes as UTF-8"):
        school.deciders["Audit"].sources_of(Audit(ONE, TWO, "x" * 496))


def test_a_decider_may_change_its_states_in_place_and_nobody_sees_it() -> None:
    in_term = InTerm([TWO])
    events = decided(Audit(ONE, TWO, "autumn"), ADA, Listeners((TWO,)), in_term)
    assert events == ((0, CourseJoined(ONE, TWO, "autumn")),)
    assert in_term.ids == [TWO]
    with pytest.raises(Rejected, match="NO_CHAIR"):
        decided(Audit(ONE, TWO, "autumn"), ADA, Listeners((ONE,)), in_term)


def test_a_decision_model_folds_its_events() -> None:
    model = school.decision_models["ofTerm"]
    assert (model.tags, model.event_types) == (("course_id", "term"), ("Joined",))
    assert model.fold([CourseJoined(ONE, TWO), CourseJoined(TWO, TWO)]) == InTerm([ONE, TWO])
    assert model.is_mutable
    assert not school.decision_models["listeners"].is_mutable
