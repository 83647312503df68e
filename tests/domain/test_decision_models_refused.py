"""What a decision model cannot be, and where a decider cannot take it: told at import, with the line."""

# No `from __future__ import annotations`: the classes here are local, and text could not find them.

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import pytest

from commander import Domain, Tag
from tests.domain.refusing import refused
from tests.domain.shop import Open, Opened, add_account, disown


@dataclass(frozen=True)
class Sold:
    account_id: Annotated[UUID, Tag()]
    shelf: Annotated[int, Tag()]


@dataclass(frozen=True)
class Counted:
    shelf: Annotated[str, Tag()]


@dataclass(frozen=True)
class Sell:
    account_id: UUID
    place: str
    shelf: int
    other: int | None = None


@dataclass(frozen=True)
class OnShelf:
    count: int = 0

    def sold(self, event: Sold) -> "OnShelf":
        return self


@pytest.fixture
def shop(domain: Domain) -> Iterator[Domain]:
    """The domain with the aggregate Account, events with tags, the command Sell and the model OnShelf."""
    domain.event(Sold)
    domain.event(Counted)
    domain.command(Sell)
    add_account(domain)
    domain.decision_model(tags=("shelf",))(OnShelf)
    yield domain
    disown(Sold, Counted, Sell)


def test_a_model_without_parentheses(shop: Domain) -> None:
    untyped: Any = shop
    with refused("write the decorator with parentheses: @domain.decision_model("):

        @untyped.decision_model  # <- here
        class Seats: ...


@pytest.mark.parametrize(
    ("tags", "problem"),
    [
        ("shelf", "Seats: tags must be a tuple of names: tags=('shelf',)"),
        ((), "Seats: tags must be a tuple of names of fields of its events, at least one; got ()"),
        ((5,), "tags must be a tuple of names of fields of its events, at least one; got (5,)"),
        (5, "tags must be a tuple of names of fields of its events, at least one; got 5"),
        (("shelf", "shelf"), "Seats: tags has a name twice: ('shelf', 'shelf')"),
    ],
)
def test_tags_that_are_none(shop: Domain, tags: Any, problem: str) -> None:
    with refused(problem):

        @shop.decision_model(tags=tags)  # <- here
        class Seats:
            def sold(self, event: Sold) -> "Seats":
                return self


def test_an_event_without_the_tag(shop: Domain) -> None:
    with refused("Seats.opened: Opened has no tag shelf; write shelf: Annotated[…, Tag()] in it"):

        @shop.decision_model(tags=("shelf",))
        class Seats:
            def sold(self, event: Sold) -> "Seats":
                return self

            def opened(self, event: Opened) -> "Seats":  # <- here
                return self


def test_a_tag_with_two_types(shop: Domain) -> None:
    with refused("Seats: the tag shelf has another type in Counted than in Sold"):

        @shop.decision_model(tags=("shelf",))  # <- here
        class Seats:
            def sold(self, event: Sold) -> "Seats":
                return self

            def counted(self, event: Counted) -> "Seats":
                return self


def test_a_model_that_no_event_changes(shop: Domain) -> None:
    with refused("Seats: no method takes an event, so its state never changes"):

        @shop.decision_model(tags=("shelf",))  # <- here
        class Seats:
            def sold(self, event: int) -> "Seats":
                return self


def test_a_model_that_decides(shop: Domain) -> None:
    with refused("Seats.sell takes a command: a decision model only evolves; decide in a function with"):

        @shop.decision_model(tags=("shelf",))
        class Seats:
            def sell(self, command: Sell) -> None: ...  # <- here


def test_methods_that_are_no_evolvers(shop: Domain) -> None:
    with refused("Seats.sold must be a plain method: its self is the state"):

        @shop.decision_model(tags=("shelf",))
        class Seats:
            @staticmethod  # <- here
            def sold(event: Sold) -> None: ...

    with refused("Seats.sold must take the event and nothing else"):

        @shop.decision_model(tags=("shelf",))
        class Seats:  # type: ignore[no-redef]
            def sold(self, event: Sold, more: int) -> None: ...  # <- here

    with refused("Seats.again: another method already handles Sold; merge the two"):

        @shop.decision_model(tags=("shelf",))
        class Seats:  # type: ignore[no-redef]
            def sold(self, event: Sold) -> Any: ...

            def again(self, event: Sold) -> Any: ...  # <- here


def test_a_model_with_a_field_that_has_no_default(shop: Domain) -> None:
    with refused("Seats: every field needs a default"):

        @shop.decision_model(tags=("shelf",))  # <- here
        class Seats:
            count: int


def test_a_model_whose_name_is_taken(shop: Domain) -> None:
    with refused("the name onShelf of a decision model is taken: it is defined at"):

        @shop.decision_model(tags=("shelf",), name="OnShelf")  # <- here
        class Seats:
            def sold(self, event: Sold) -> "Seats":
                return self


def test_a_decider_that_begins_with_a_model(shop: Domain) -> None:
    with refused("sell: its first state seats must have an aggregate: its stream is that of the command"):

        @shop.decider()  # <- here
        def sell(command: Sell, seats: OnShelf) -> None: ...


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"seats": "row"}, "sell: seats: Sell has no field row with the tag of OnShelf"),
        ({"seats": "other"}, "sell: seats: Sell.other, the tag shelf, cannot be None"),
        ({"seats": "place"}, "sell: seats: Sell.place must be a int, as the tag Sold.shelf is"),
        (
            {"seats": ("shelf", "place")},
            "seats needs a field of Sell for each of shelf, got ('shelf', 'place')",
        ),
        ({"seats": 5}, "sell: seats=5 must be the name of a field of Sell"),
    ],
)
def test_a_field_that_has_no_value_for_the_tag(shop: Domain, keys: Any, problem: str) -> None:
    account = shop.aggregates["account"].cls
    with refused(problem):

        @shop.decider(**keys)  # <- here
        def sell(command: Sell, account: account, seats: OnShelf) -> None: ...  # type: ignore[valid-type]


def test_a_command_without_a_field_of_the_tags_name(shop: Domain) -> None:
    account = shop.aggregates["account"].cls
    with refused(
        "seats: Open has no field shelf with the tag of OnShelf; say which field has it: decider(seats"
    ):
        del shop._aggregate_of_command["Open"]

        @shop.decider()  # <- here
        def sell(command: Open, account: account, seats: OnShelf) -> None: ...  # type: ignore[valid-type]


def test_a_mutable_model(shop: Domain) -> None:
    with refused("Loose is a mutable dataclass: write @dataclass(frozen=True) below the decorator"):

        @dataclass  # <- here
        @shop.decision_model(tags=("shelf",))
        class Loose:
            def sold(self, event: Sold) -> "Loose":
                return self

        shop.check()
