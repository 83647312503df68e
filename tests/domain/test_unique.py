"""Unique keys: which texts a state has, and which of them are the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest

from commander import BigInt, Unique
from commander.domain import InvalidDecision
from commander.domain.errors import HandlerTimedOut
from commander.domain.unique import UniqueRule, unique_rules
from tests.domain.school import Student, school


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True)
class Person:
    email: str | None = None
    first: str = ""
    last: str | None = None
    value: Any = None
    amount: Decimal = Decimal(0)
    whole: int = 0
    large: BigInt = BigInt(0)  # noqa: RUF009
    born: date | None = None
    seen: datetime | None = None
    at: time | None = None
    id: UUID | None = None
    colour: Colour | None = None
    wise: bool = False


def rule(*given: Any) -> UniqueRule:
    [made] = unique_rules(Person, given, "person", "here:1")
    return made


def keyed(value: Any) -> frozenset[str]:
    return rule(Unique(name="v", keys=lambda person: [person.value])).keys_of(Person(value=value))


def test_a_rule_has_the_name_of_its_fields_or_the_one_it_is_given() -> None:
    assert rule("email").stored_name == "person.email"
    assert rule(("first", "last")).stored_name == "person.first_last"
    assert rule(Unique("email", name="address")).stored_name == "person.address"
    assert rule(("first", "last")).fields == ("first", "last")
    assert rule(Unique("value", keys=lambda person: ())).fields == ()


def test_the_domain_knows_the_rules_by_their_stored_names() -> None:
    rules = school.aggregates["student"].unique
    assert {one.stored_name: one for one in rules} == school.unique_rules
    assert list(school.unique_rules) == ["student.email", "student.phones"]
    assert school.aggregates["course"].unique == ()


def test_a_key_is_the_list_of_its_values() -> None:
    person = Person("Ada@example.com", "Ada", "Lovelace")
    assert rule("email").keys_of(person) == {'["Ada@example.com"]'}
    assert rule(("first", "last")).keys_of(person) == {'["Ada","Lovelace"]'}
    assert rule(("first", "last")).key_of("Ada", "Lovelace") == '["Ada","Lovelace"]'
    assert rule(("first", "last")).key_of('Ada","', "x") != rule(("first", "last")).key_of("Ada", '","x')


def test_a_key_with_a_none_is_no_key() -> None:
    assert rule("email").keys_of(Person()) == frozenset()
    assert rule(("first", "last")).keys_of(Person(first="Ada")) == frozenset()
    assert rule(("first", "last")).key_of("Ada", None) is None
    assert keyed(None) == frozenset()
    assert rule(Unique("email", normalise=lambda email: None)).key_of("a") is None


@pytest.mark.parametrize(
    ("field", "one", "same", "text"),
    [
        ("amount", Decimal("10.50"), Decimal("10.5"), "[10.5]"),
        ("amount", Decimal("1E+1"), Decimal("10.0"), "[10]"),
        ("amount", Decimal("-0"), Decimal("0E+5"), "[0]"),
        ("whole", 10, 10, "[10]"),
        ("large", 2**60, 2**60, f"[{2**60}]"),
        ("born", date(1815, 12, 10), date(1815, 12, 10), '["1815-12-10"]'),
        (
            "seen",
            datetime(2026, 1, 1, 12, tzinfo=UTC),
            datetime(2026, 1, 1, 14, tzinfo=timezone(timedelta(hours=2))),
            '["2026-01-01T12:00:00Z"]',
        ),
        ("at", time(12), time(12, 0, 0), '["12:00:00"]'),
        ("id", UUID(int=1), UUID(int=1), '["00000000-0000-0000-0000-000000000001"]'),
        ("colour", Colour.RED, Colour("red"), '["red"]'),
        ("wise", True, True, "[true]"),
    ],
)
def test_equal_values_of_each_type_have_one_text(field: str, one: Any, same: Any, text: str) -> None:
    for value in (one, same):
        assert rule(field).keys_of(Person(**{field: value})) == {text}
        assert keyed(value) == {text}


def test_numbers_of_different_types_are_compared_by_value_and_never_with_a_text() -> None:
    assert keyed(10) == keyed(Decimal("10.0"))
    assert keyed(2**63 - 1) == keyed(Decimal(2**63 - 1))
    assert keyed(10) != keyed("10")
    assert json.loads(next(iter(keyed(Decimal("1E+30"))))) == [1e30]


def test_a_long_key_is_a_digest_of_it() -> None:
    longest, longer = "x" * 496, "x" * 497
    assert rule("email").key_of(longest) == f'["{longest}"]'
    assert rule("email").key_of(longer) == "sha256:" + sha256(f'["{longer}"]'.encode()).hexdigest()
    assert str(rule("email").key_of("é" * 400)).startswith("sha256:"), "bytes count, not letters"


def test_a_function_gives_any_number_of_keys() -> None:
    phones = school.unique_rules["student.phones"]
    assert phones.keys_of(Student(phones=("1", "2", "1"))) == {'["1"]', '["2"]'}
    assert phones.keys_of(Student()) == frozenset()
    pairs = rule(Unique(name="pairs", keys=lambda person: [(person.first, 1), (person.first, None)]))
    assert pairs.keys_of(Person(first="Ada")) == {'["Ada",1]'}
    assert rule(Unique(name="none", keys=lambda person: None)).keys_of(Person()) == frozenset()


def test_values_are_normalised_also_those_that_a_function_gives() -> None:
    assert school.unique_rules["student.email"].key_of("Ada@Example.com") == '["ada@example.com"]'
    both = rule(Unique("first", "last", normalise=lambda first, last: (first.lower(), last.lower())))
    assert both.keys_of(Person(first="ADA", last="L")) == {'["ada","l"]'}
    assert rule(Unique(name="x", keys=lambda _: ["A"], normalise=str.lower)).keys_of(Person()) == {'["a"]'}


def boom(*_: Any) -> Any:
    raise ValueError("it is broken")


@pytest.mark.parametrize(
    ("given", "state", "problem"),
    [
        ("email", Person(email=5), "email must be a str, got int 5"),  # type: ignore[arg-type]
        ("amount", Person(amount=5), "amount must be a Decimal, got int 5"),  # type: ignore[arg-type]
        ("amount", Person(amount=Decimal("NaN")), "a value must be a finite number"),
        ("seen", Person(seen=datetime(2026, 1, 1)), "a value must have a time zone"),
        ("email", Person(email="a\0"), "a value must not contain the character NUL"),
        (Unique("email", normalise=boom), Person(email="a"), "its function raised ValueError: it is broken"),
        (Unique(name="x", keys=boom), Person(), "its function raised ValueError: it is broken"),
        (Unique(name="x", keys=lambda person: person.email), Person(email="abc"), "gave 'abc', not several"),
        (Unique(name="x", keys=lambda person: person.value), Person(value=5), "gave 5, not several keys"),
        (Unique(name="x", keys=lambda person: [1.5]), Person(), "float 1.5 cannot be part of a key"),
        (Unique(name="x", keys=lambda person: [["a"]]), Person(), "list ['a'] cannot be part of a key"),
    ],
)
def test_a_value_that_cannot_be_a_key_is_no_decision(given: Any, state: Person, problem: str) -> None:
    with pytest.raises(InvalidDecision, match="the unique key person") as caught:
        rule(given).keys_of(state)
    assert problem in str(caught.value)


@pytest.mark.parametrize("option", ["keys", "normalise"])
def test_a_function_that_runs_out_of_time_is_told_from_one_that_raises(option: str) -> None:
    def late(*_: Any) -> Any:
        raise HandlerTimedOut(1, "here")

    given: dict[str, Callable[..., Any]] = {option: late}
    with pytest.raises(HandlerTimedOut):
        rule(Unique("email", **given)).keys_of(Person("a"))  # type: ignore[arg-type]


def test_the_rejection_names_the_fields() -> None:
    assert str(rule("email").rejection) == "NOT_UNIQUE: already taken: email"
    assert str(rule(("first", "last")).rejection) == "NOT_UNIQUE: already taken: first and last"
    assert str(school.unique_rules["student.phones"].rejection) == "NOT_UNIQUE: already taken: phones"
