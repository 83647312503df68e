"""What a command's input must satisfy before it is accepted, and how a client is told where it does not."""

# No `from __future__ import annotations`: the classes here are local, and text could not find them.

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from importlib import import_module
from typing import Annotated, Any
from uuid import UUID

import pytest
from annotated_types import Interval, LowerCase

from commander import BigInt, Doc, Domain, Ge, Gt, Le, Len, Lt, MaxLen, Message, MinLen, MultipleOf, Predicate
from commander.domain import DefinitionError, InvalidCommand, InvalidDecision, Problem
from commander.testing import given

CENT = Decimal("0.01")
THEIR_DOC = import_module("typing_extensions").Doc


def even(value: int) -> bool:
    return value % 2 == 0


def whole_cents(amount: Decimal) -> bool:
    return amount == amount.quantize(CENT)


def checker(hint: Any) -> Callable[[Any], tuple[Problem, ...]]:
    """What is wrong with a value for a command's one field `value` of this type."""
    domain = Domain("shop")

    @domain.command
    @dataclass(frozen=True)
    class Set:
        value: hint

    def problems(value: Any) -> tuple[Problem, ...]:
        try:
            domain.commands["Set"].check(Set(value))
        except InvalidCommand as invalid:
            return invalid.problems
        return ()

    return problems


@pytest.mark.parametrize(
    ("hint", "good", "bad", "message"),
    [
        (Annotated[int, Gt(3)], 4, 3, "must be greater than 3, got 3"),
        (Annotated[int, Ge(3)], 3, 2, "must be at least 3, got 2"),
        (Annotated[int, Lt(3)], 2, 3, "must be less than 3, got 3"),
        (Annotated[int, Le(3)], 3, 4, "must be at most 3, got 4"),
        (
            Annotated[BigInt, Gt(2**40)],
            2**40 + 1,
            2**40,
            "must be greater than 1099511627776, got 1099511627776",
        ),
        (Annotated[float, Lt(0.5)], 0.25, 0.5, "must be less than 0.5, got 0.5"),
        (Annotated[Decimal, Gt(0)], Decimal("0.01"), Decimal("0.00"), "must be greater than 0, got 0.00"),
        (
            Annotated[date, Ge(date(2000, 1, 1))],
            date(2000, 1, 1),
            date(1999, 12, 31),
            "must be at least 2000-01-01",
        ),
        (
            Annotated[datetime, Lt(datetime(2000, 1, 1, tzinfo=UTC))],
            datetime(2000, 1, 1, tzinfo=timezone(timedelta(hours=1))),
            datetime(2000, 1, 1, tzinfo=UTC),
            "must be less than 2000-01-01",
        ),
        (Annotated[time, Le(time(17))], time(17), time(17, 0, 1), "must be at most 17:00:00, got 17:00:01"),
        (Annotated[str, Ge("m")], "m", "l", "must be at least m, got l"),
        (Annotated[int, MultipleOf(5)], -10, 11, "must be a multiple of 5, got 11"),
        (
            Annotated[Decimal, MultipleOf(Decimal("0.05"))],
            Decimal("1.15"),
            Decimal("1.16"),
            "must be a multiple of 0.05",
        ),
        (Annotated[str, MinLen(2)], "ab", "a", "must have a length of at least 2, got 1"),
        (Annotated[str, MaxLen(2)], "ab", "abc", "must have a length of at most 2, got 3"),
        (Annotated[str, Len(1, 2)], "a", "", "must have a length of at least 1, got 0"),
        (Annotated[str, Len(1, 2)], "ab", "abc", "must have a length of at most 2, got 3"),
        (Annotated[str, Len(1)], "a" * 100, "", "must have a length of at least 1, got 0"),
        (Annotated[tuple[int, ...], Len(1, 2)], (1,), (), "must have a length of at least 1, got 0"),
        (Annotated[list[int], MaxLen(2)], [1, 2], [1, 2, 3], "must have a length of at most 2, got 3"),
        (Annotated[int, Interval(ge=1, lt=3)], 1, 3, "must be less than 3, got 3"),
        (Annotated[int, Predicate(even)], 2, 3, "does not satisfy even"),
        (
            Annotated[Decimal, Predicate(whole_cents)],
            Decimal("0.10"),
            Decimal("0.101"),
            "does not satisfy whole cents",
        ),
        (LowerCase[str], "abc", "aBc", "does not satisfy islower"),
        (Annotated[int, Gt(0), Doc("How many."), Lt(9)], 8, 9, "must be less than 9, got 9"),
        (Annotated[int, Gt(0), THEIR_DOC("How many."), Lt(9)], 8, 9, "must be less than 9, got 9"),
        (Annotated[int | None, Gt(0)], None, 0, "must be greater than 0, got 0"),
        (Annotated[int, Gt(0)] | None, None, 0, "must be greater than 0, got 0"),
        (Annotated[Annotated[int, Gt(0)] | None, Lt(9)], 8, 9, "must be less than 9, got 9"),
    ],
    ids=str,
)
def test_holds_a_value_against_a_constraint(hint: Any, good: Any, bad: Any, message: str) -> None:
    problems = checker(hint)
    assert problems(good) == ()
    (problem,) = problems(bad)
    assert problem.path == ("value",)
    assert problem.message.startswith(message)


@pytest.mark.parametrize(
    "hint",
    [Annotated[Decimal, Predicate(whole_cents)], Annotated[Decimal, MultipleOf(Decimal("0.01"))]],
    ids=str,
)
def test_an_amount_beyond_what_can_be_computed_with_breaks_the_constraint(hint: Any) -> None:
    assert [problem.path for problem in checker(hint)(Decimal("1E+50"))] == [("value",)]


def test_none_is_only_for_a_field_that_may_be_none() -> None:
    for hint in (int, str, UUID, tuple[int, ...]):
        assert [problem.message for problem in checker(hint)(None)] == ["must not be None"]
        assert checker(hint | None)(None) == ()
    [problem] = checker(tuple[int, ...])((1, None))
    assert (problem.path, problem.message) == (("value", "1"), "must be an int, got NoneType None")


@pytest.mark.parametrize(
    ("hint", "bad", "message"),
    [
        (Decimal, Decimal("NaN"), "must be a finite number, got NaN"),
        (Decimal, Decimal("sNaN"), "must be a finite number, got sNaN"),
        (Annotated[Decimal, Gt(0)], Decimal("NaN"), "must be a finite number, got NaN"),
        (Decimal, Decimal("-Infinity"), "must be a finite number, got -Infinity"),
        (float, float("nan"), "must be a finite number, got nan"),
        (float, float("inf"), "must be a finite number, got inf"),
        (BigInt, 2**63, "must fit into 64 bits"),
        (BigInt, -(2**63) - 1, "must fit into 64 bits"),
        (int, 2**31, "must fit into 32 bits (a BigInt has 64), got 2147483648"),
        (int, -(2**31) - 1, "must fit into 32 bits"),
        (int, "5", "must be an int, got str '5'"),
        (int, True, "must be an int, got bool True"),
        (BigInt, 1.0, "must be an int, got float 1.0"),
        (float, True, "must be a float, got bool True"),
        (Decimal, 1.5, "must be a Decimal, got float 1.5"),
        (Decimal, 1, "must be a Decimal, got int 1"),
        (UUID, "0f8fad5b-d9cb-469f-a165-70867728950e", "must be a UUID, got str"),
        (bool, 1, "must be a bool, got int 1"),
        (date, datetime(2000, 1, 1, tzinfo=UTC), "must be a date, got datetime"),
        (tuple[int, ...], {1}, "must be a list or a tuple, got set"),
        (str, "a\0b", "must not contain the character NUL"),
        (str, "ab\ud800", "is not valid Unicode: a lone surrogate at index 2"),
        (datetime, datetime(2000, 1, 1), "must have a time zone"),
        (
            datetime,
            datetime(1900, 1, 1, tzinfo=timezone(timedelta(minutes=19, seconds=32))),
            "must have a UTC offset of whole minutes, got 0:19:32",
        ),
        (time, time(12, tzinfo=UTC), "must not have a time zone"),
    ],
    ids=repr,
)
def test_refuses_what_could_not_be_stored_and_read_back(hint: Any, bad: Any, message: str) -> None:
    (problem,) = checker(hint)(bad)
    assert (problem.path, problem.message.startswith(message)) == (("value",), True), problem
    (problem,) = checker(hint | None)(bad)
    assert problem.path == ("value",)
    (problem,) = checker(tuple[hint, ...])((bad,))
    assert problem.path == ("value", "0")


@pytest.mark.parametrize(
    ("hint", "good"),
    [
        (str, "ü🏦\U0010ffff\x01"),
        (BigInt, -(2**63)),
        (BigInt, 2**63 - 1),
        (Decimal, Decimal("-0.00")),
        (float, -0.0),
        (datetime, datetime.max.replace(tzinfo=UTC)),
        (datetime, datetime(2000, 1, 1, tzinfo=timezone(timedelta(hours=5, minutes=45)))),
        (time, time.max),
    ],
    ids=repr,
)
def test_accepts_the_extremes_that_can(hint: Any, good: Any) -> None:
    assert checker(hint)(good) == ()


@dataclass(frozen=True)
class Price:
    amount: Annotated[Decimal, Gt(0)]
    currency: Annotated[str, Len(3, 3)] = "EUR"


@dataclass(frozen=True)
class Line:
    name: Annotated[str, MinLen(1)]
    price: Price
    tags: tuple[Annotated[str, MaxLen(3)], ...] = ()


def test_names_the_path_into_value_objects_and_lists() -> None:
    problems = checker(tuple[Line | None, ...])
    good = Line("pen", Price(Decimal(1)))
    bad = Line("", Price(Decimal(0), "EURO"), ("abc", "abcd", "ab\0"))
    assert problems((good, None)) == ()
    assert [(problem.path, problem.message) for problem in problems((good, None, bad))] == [
        (("value", "2", "name"), "must have a length of at least 1, got 0"),
        (("value", "2", "price", "amount"), "must be greater than 0, got 0"),
        (("value", "2", "price", "currency"), "must have a length of at most 3, got 4"),
        (("value", "2", "tags", "1"), "must have a length of at most 3, got 4"),
        (("value", "2", "tags", "2"), "must not contain the character NUL"),
    ]


SHORT, LONG, ODD = Message("at least three letters"), Message("at most five letters"), Message("odd")
Name = Annotated[str, MinLen(3), SHORT]


@pytest.mark.parametrize(
    ("hint", "bad", "message"),
    [
        (Annotated[str, MinLen(3), SHORT], "ab", SHORT.text),
        (Annotated[str, MinLen(3), Doc("A name."), SHORT], "ab", SHORT.text),
        (Annotated[str, MinLen(3), SHORT, MaxLen(5), LONG], "ab", SHORT.text),
        (Annotated[str, MinLen(3), SHORT, MaxLen(5), LONG], "abcdef", LONG.text),
        (Annotated[str, MinLen(3), MaxLen(5), LONG], "ab", "must have a length of at least 3, got 2"),
        (Annotated[str, MinLen(3), SHORT, MaxLen(5)], "abcdef", "must have a length of at most 5, got 6"),
        (Annotated[str, Len(3, 5), SHORT], "ab", SHORT.text),
        (Annotated[str, Len(3, 5), SHORT], "abcdef", SHORT.text),
        (Annotated[int, Predicate(even), ODD], 3, ODD.text),
        (Name | None, "ab", SHORT.text),
        (Annotated[Name | None, MaxLen(5), LONG], "ab", SHORT.text),
        (Annotated[Name | None, MaxLen(5), LONG], "abcdef", LONG.text),
        (Annotated[Decimal, MultipleOf(CENT), ODD], Decimal("1E+50"), ODD.text),
        (Annotated[str, MinLen(3), SHORT], 5, "must be a str, got int 5"),
        (Annotated[str, MinLen(3), SHORT], "a\0", "must not contain the character NUL"),
    ],
    ids=repr,
)
def test_a_client_is_told_the_message_of_the_broken_constraint(hint: Any, bad: Any, message: str) -> None:
    assert [problem.message for problem in checker(hint)(bad)] == [message]
    assert [problem.message for problem in checker(tuple[hint, ...])((bad,))] == [message]


def test_a_message_is_that_of_whatever_is_held_against_the_types() -> None:
    domain = Domain("shop")

    @domain.command
    @dataclass(frozen=True)
    class Call:
        item_id: UUID
        name: Name

    @domain.event
    @dataclass(frozen=True)
    class Called:
        item_id: UUID
        name: Name

    @domain.aggregate(key="item_id")
    @dataclass(frozen=True)
    class Item:
        def call(self, command: Call) -> Called:
            return Called(command.item_id, command.name[:2])

        def called(self, event: Called) -> "Item":
            return self

    item = UUID(int=1)
    given().when(Call(item, "ab")).then_invalid("name", message=SHORT.text)
    with pytest.raises(AssertionError, match="expected 'another', got name: at least three letters"):
        given().when(Call(item, "ab")).then_invalid("name", message="another")
    with pytest.raises(InvalidDecision, match="at least three letters"):
        given().when(Call(item, "abc")).then()


@pytest.mark.parametrize(
    ("hint", "problem"),
    [
        (Annotated[str, SHORT], "must stand directly behind the constraint that it is for"),
        (Annotated[str, SHORT, MinLen(3)], "must stand directly behind the constraint that it is for"),
        (Annotated[str, MinLen(3), SHORT, LONG], "must stand directly behind the constraint that it is for"),
        (Annotated[Name | None, LONG], "must stand directly behind the constraint that it is for"),
        (Annotated[str, MinLen(3), Message(" ")], "must have a text"),
        (Annotated[str, MinLen(3), Message(3)], "must have a text"),  # type: ignore[arg-type]
    ],
    ids=repr,
)
def test_a_message_that_belongs_to_no_constraint_is_an_error_of_the_definition(
    hint: Any, problem: str
) -> None:
    with pytest.raises(DefinitionError, match=problem) as refused:
        checker(hint)
    assert "Set.value: Message(text=" in str(refused.value)
    assert __file__ in refused.value.where


def test_names_the_path_into_lists_of_lists() -> None:
    problems = checker(tuple[Annotated[tuple[Annotated[int, Gt(0)], ...], MaxLen(2)], ...])
    assert problems(((1, 2), ())) == ()
    assert [problem.path for problem in problems(((1, 0), (1, 2, 3)))] == [
        ("value", "0", "1"),
        ("value", "1"),
    ]


def test_names_every_broken_field_and_of_each_the_first_constraint() -> None:
    domain = Domain("shop")

    @domain.command
    @dataclass(frozen=True)
    class Sell:
        count: Annotated[int, Gt(0), MultipleOf(2)]
        name: Annotated[str, MinLen(1)]
        price: Annotated[Decimal, Gt(0)]

    with pytest.raises(InvalidCommand) as caught:
        domain.commands["Sell"].check(Sell(-1, "", Decimal(1)))
    assert str(caught.value) == (
        "count: must be greater than 0, got -1; name: must have a length of at least 1, got 0"
    )
