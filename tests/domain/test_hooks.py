"""Hooks in given, when, then: the same run as in the API and in the processor."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from commander import Origin, Rejected
from commander.domain import HookFailed
from commander.testing import given
from tests.streaming.parking import Charge, Charged, Enter, Entered, parking, seen

CAR = UUID(int=7)
NOW = datetime(2030, 1, 1, tzinfo=UTC)


def entered(plate: str, by: str | None = None) -> Entered:
    return Entered(CAR, plate, NOW, by)


def test_each_hook_gets_what_the_one_before_it_returned() -> None:
    given().when(Enter(CAR, " ab 1 "), now=NOW, actor="ada").then(entered("AB 1", "ada"))
    given().when(Enter(CAR, "banned"), now=NOW).then(Rejected("BANNED", "BANNED is banned"))


def test_a_hook_is_for_its_commands_alone() -> None:
    seen.clear()
    given().when(Charge(CAR, "x"), origin=Origin.REACTOR).then(Charged(CAR))
    (context,) = seen
    assert (context.stream, context.origin, context.actor) == (f"car-{CAR}", Origin.REACTOR, None)
    given().when(Charge(CAR, "FREE")).then(Rejected("BANNED"))


def test_what_a_hook_returns_is_checked_as_input() -> None:
    given().when(Enter(CAR, "   ")).then_invalid("plate")
    given().when(Enter(CAR, "x" * 11)).then_invalid("plate")


@pytest.mark.parametrize(
    ("plate", "said"),
    [
        (
            "RAISES",
            "the before_submit hook stamp raised ZeroDivisionError: division",
        ),
        ("EXITS", "raised SystemExit: 3"),
        ("WAIVES", "returned Waive for a command Enter"),
        ("MOVES", "changed Enter.car_id, the key of the aggregate"),
        ("BUG", "the after_decide hook reword raised SystemExit: 3"),
        ("ANSWERS", "returned Enter; it must return None or raise Rejected"),
    ],
)
def test_a_hook_that_goes_wrong(plate: str, said: str) -> None:
    with pytest.raises(HookFailed, match=said):
        given().when(Enter(CAR, plate))


def test_a_hook_that_changes_a_field_to_another_type_makes_the_command_invalid() -> None:
    given().when(Enter(CAR, "RETYPES")).then_invalid("plate")


def test_a_decision_can_be_vetoed_and_a_rejection_said_otherwise() -> None:
    given().when(Enter(CAR, "MANY")).then(Rejected("TOO_MANY", "5 events"))
    inside = given(entered("A"))
    inside.when(Enter(CAR, "A"), actor="ada").then(Rejected("INSIDE", "the car is inside"))
    inside.when(Enter(CAR, "A")).then(Rejected("INSIDE", "say who you are"))


def test_hooks_run_in_the_order_of_their_definition() -> None:
    assert [hook.function.__name__ for hook in parking.submit_hooks.of(Enter)] == [
        *("note", "normalize", "refuse_banned", "stamp"),
    ]
    assert [hook.function.__name__ for hook in parking.submit_hooks.of(Charge)] == ["note", "refuse_banned"]
