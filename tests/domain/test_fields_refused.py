"""Fields that a message, a row or a value object cannot have: each is an error where it is defined."""

# No `from __future__ import annotations`: the classes here are local, and text could not find them.

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import Enum, Flag
from typing import Any, Literal, NamedTuple, NewType, TypeVar
from uuid import UUID, uuid4

import pytest

from commander import Domain, new_id
from tests.domain.refusing import refused

T = TypeVar("T")
AccountId = NewType("AccountId", UUID)


class Point(NamedTuple):
    x: int


class Colour(Enum):
    RED = "red"


class Mixed(Enum):
    ONE = 1
    TWO = "two"


class Halves(Enum):
    HALF = 0.5


class Nothing(Enum):
    pass


class Rights(Flag):
    READ = 1
    WRITE = 2


class Foreign(Enum):
    GRÜN = "green"


@dataclass
class Mutable:
    x: int


@pytest.fixture
def domain() -> Domain:
    return Domain("shop")


@pytest.mark.parametrize(
    "hint",
    [
        Any,
        object,
        bytes,
        complex,
        timedelta,
        dict[str, int],
        set[int],
        frozenset[str],
        list,
        tuple,
        tuple[int, str],
        tuple[int],
        int | str,
        int | str | None,
        Literal["a"],
        Point,
        AccountId,
        T,
        type,
        list[dict[str, int]],
        tuple[int | str, ...],
        None,
    ],
    ids=repr,
)
def test_a_type_without_one_exact_form(domain: Domain, hint: Any) -> None:
    with refused("has no exact GraphQL form"):

        @domain.event  # <- here
        class Opened:
            __annotations__ = {"account_id": UUID, "odd": hint}


def test_a_value_object_that_can_change(domain: Domain) -> None:
    with refused("Opened.value: the dataclass Mutable must be frozen"):

        @domain.event  # <- here
        class Opened:
            value: Mutable


def test_a_value_object_that_can_change_within_a_list(domain: Domain) -> None:
    with refused("the dataclass Mutable must be frozen"):

        @domain.event  # <- here
        class Opened:
            values: tuple[Mutable, ...]


def test_a_bad_field_of_a_value_object_is_told_at_the_value_object(domain: Domain) -> None:
    with refused("Size.unit: <class 'complex'> has no exact GraphQL form"):

        @dataclass(frozen=True)  # <- here
        class Size:
            unit: complex

        @domain.command
        class Open:
            size: Size


def test_a_value_object_that_contains_itself(domain: Domain) -> None:
    with refused("Branch contains itself"):

        @dataclass(frozen=True)  # <- here
        class Branch:
            twigs: "tuple[Branch, ...]"

        @domain.event
        class Grown:
            branch: Branch


def test_a_forward_reference_that_names_nothing(domain: Domain) -> None:
    with refused("name 'Later' is not defined (define it above this class)"):

        @domain.event  # <- here
        class Opened:
            later: "Later"  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize("text", ["list[", "UUID.nothing", "1 / 0", "UUID[int]"])
def test_a_forward_reference_that_cannot_be_read(domain: Domain, text: str) -> None:
    with refused("an annotation cannot be read"):

        @domain.event  # <- here
        class Opened:
            __annotations__ = {"amount": text}


def test_a_field_named_like_one_that_every_event_has(domain: Domain) -> None:
    with refused("Opened.recorded_at: the name recordedAt is taken by the API"):

        @domain.event  # <- here
        class Opened:
            recorded_at: datetime


def test_a_field_that_the_api_would_show_under_the_name_of_another(domain: Domain) -> None:
    with refused("Open.accountId: the name accountId is taken by account_id"):

        @domain.command  # <- here
        class Open:
            account_id: UUID
            accountId: UUID

    with refused("Opened.recordedAt: the name recordedAt is taken by the API"):

        @domain.event  # <- here
        class Opened:
            recordedAt: datetime


@pytest.mark.parametrize("name", ["_secret", "__typename", "größe"])
def test_a_name_that_graphql_does_not_take(domain: Domain, name: str) -> None:
    with refused(f"Opened.{name}: a name in GraphQL may have letters from A to Z"):

        @domain.event  # <- here
        class Opened:
            __annotations__ = {name: int}


@pytest.mark.parametrize("enum", [Mixed, Halves, Nothing, Rights])
def test_an_enum_that_json_does_not_give_back(domain: Domain, enum: type) -> None:
    with refused(f"the values of {enum.__name__} must be all str or all int, and it must not be a Flag"):

        @domain.event  # <- here
        class Opened:
            __annotations__ = {"kind": enum}


def test_an_enum_whose_names_graphql_does_not_take(domain: Domain) -> None:
    with refused("Foreign.GRÜN: a name in GraphQL may have letters from A to Z"):

        @domain.event  # <- here
        class Opened:
            colour: Foreign


def test_a_default_that_all_would_share(domain: Domain) -> None:
    with refused("mutable default"):

        @domain.event  # <- here
        class Opened:
            tags: list[str] = []  # noqa: RUF012


def test_a_field_without_a_default_behind_one_that_has_one(domain: Domain) -> None:
    with refused("non-default argument 'owner' follows default argument"):

        @domain.event  # <- here
        class Opened:
            colour: Colour = Colour.RED
            owner: str


def test_a_field_that_cannot_be_given(domain: Domain) -> None:
    with refused("Opened.day: init=False"):

        @domain.event  # <- here
        @dataclass(frozen=True)
        class Opened:
            day: date = field(init=False, default=date(2000, 1, 1))


def test_new_id_for_something_else_than_an_id(domain: Domain) -> None:
    with refused("Open.number: new_id() is only for fields of a command of type UUID"):

        @domain.command  # <- here
        class Open:
            number: str = new_id()


def test_new_id_where_no_client_could_leave_it_out(domain: Domain) -> None:
    with refused("Opened.account_id: new_id() is only for fields of a command of type UUID"):

        @domain.event  # <- here
        class Opened:
            account_id: UUID = new_id()

    with refused("Line.line_id: new_id() is only for fields of a command of type UUID"):

        @dataclass(frozen=True)  # <- here
        class Line:
            line_id: UUID = new_id()

        @domain.command
        class Order:
            lines: tuple[Line, ...]


def test_a_default_factory_of_ones_own_is_no_new_id(domain: Domain) -> None:
    @domain.command
    class Open:
        account_id: UUID = field(default_factory=uuid4)

    (only,) = domain.commands["Open"].fields
    assert (only.required, only.generated) == (False, False)
