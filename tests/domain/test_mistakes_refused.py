"""Mistakes that Python accepts in silence: each is an error where it is, before anything runs."""

# No `from __future__ import annotations`: the classes here are local, and text could not find them.

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID, uuid4

import pytest

from commander import Domain, Gt, Rejected, touches
from commander.domain import InvalidDecision
from commander.testing import given
from tests.domain.refusing import refused
from tests.domain.shop import Open, Opened


def test_a_method_with_the_name_of_a_field(domain: Domain) -> None:
    with refused("Box.closed is a field and a method; the method would be the field's default. Rename one"):

        @domain.aggregate(key="account_id")
        class Box:
            closed: bool = False

            def closed(self, command: Open) -> None: ...  # type: ignore[no-redef]  # noqa: F811  # <- here


def test_a_method_that_is_defined_twice(domain: Domain) -> None:
    with refused("Box.open is defined twice; this one replaces the one at line"):

        @domain.aggregate(key="account_id")
        class Box:
            def open(self, command: Open) -> None: ...

            def open(self, command: Opened) -> None: ...  # type: ignore[no-redef]  # noqa: F811  # <- here


def test_the_setter_of_a_property_is_no_second_method(domain: Domain) -> None:
    @domain.event
    class Full:
        account_id: UUID
        LIMIT = 5

        @property
        def size(self) -> int:
            return 1

        @size.setter
        def size(self, value: int) -> None: ...


def test_an_attribute_without_an_annotation(domain: Domain) -> None:
    with refused("Full.size has no annotation, so it is not a field: write size: int = …"):

        @domain.event  # <- here
        class Full:
            account_id: UUID
            size = 5


@pytest.mark.parametrize(
    ("hint", "default", "problem"),
    [
        (int, "5", "the default of value: must be an int, got str '5'"),
        (Decimal, 0, "the default of value: must be a Decimal, got int 0"),
        (str, None, "the default of value: must not be None"),
        (Annotated[int, Gt(0)], 0, "the default of value: must be greater than 0, got 0"),
        (UUID, uuid4(), "the default of value is made once and shared by all"),
        (datetime, None, "Deciders take the time of the decision: CommandContext.now"),
    ],
    ids=["text", "whole", "none", "constraint", "id", "time"],
)
def test_a_default_that_no_value_should_be(domain: Domain, hint: Any, default: Any, problem: str) -> None:
    if hint is datetime:
        default = datetime.now(UTC)  # of the test, not of its collection
    for declare in (domain.event, domain.command):
        with refused(problem):

            @declare  # <- here
            class Valued:
                account_id: UUID
                value: hint = default


@pytest.mark.parametrize(
    ("hint", "default", "problem"),
    [
        (int, "5", "the default of value: must be an int, got str '5'"),
        (Decimal, 0, "the default of value: must be a Decimal, got int 0"),
        (tuple[int, ...], 5, "the default of value: must be a list or a tuple, got int 5"),
        (str, None, "the default of value: must not be None"),
        (Any, uuid4(), "the default of value is made once and shared by all"),
    ],
    ids=["text", "whole", "list", "none", "id"],
)
def test_a_default_that_no_state_should_have(domain: Domain, hint: Any, default: Any, problem: str) -> None:
    for declare in (domain.aggregate(key="account_id"), domain.process(key="account_id", starts={Opened})):
        with refused(problem):

            @declare  # <- here
            class Box:
                value: hint = default


@pytest.mark.parametrize(("hint", "default"), [(int, "5"), (UUID, uuid4())], ids=["text", "id"])
def test_a_default_that_no_value_object_should_have(domain: Domain, hint: Any, default: Any) -> None:
    with refused("Line: the default of value"):

        @dataclass(frozen=True)  # <- here
        class Line:
            value: hint = default

        @domain.event
        class Ordered:
            account_id: UUID
            lines: tuple[Line, ...] = ()


def test_a_default_of_a_type_that_only_a_state_can_have(domain: Domain) -> None:
    @domain.aggregate(key="account_id")
    class Box:
        whole: int = 2**40  # a state is not stored by its fields
        several: int | str | None = None
        pair: tuple[int, str] = (1, "a")
        names: frozenset[str] = frozenset()

        def open(self, command: Open) -> Opened:
            return Opened(command.account_id)

        def opened(self, event: Opened) -> "Box":
            return self


@pytest.mark.parametrize("option", ["indexes", "filterable"])
def test_columns_that_are_a_text(domain: Domain, option: str) -> None:
    wrong: Any = {option: "owner"}
    with refused(f"{option} must be a tuple of columns: {option}=('owner',)"):

        @domain.projection("box", key="owner", **wrong)  # <- here
        class Box:
            owner: str


def test_a_decorator_without_its_parentheses(domain: Domain) -> None:
    untyped: Any = domain
    for name in ("aggregate", "projection", "process"):
        with refused(f"write the decorator with parentheses: @domain.{name}("):

            @getattr(untyped, name)  # <- here
            class Box: ...

    for name in ("effect", "every", "upcast"):
        with refused(f"write the decorator with parentheses: @domain.{name}("):

            @getattr(untyped, name)  # type: ignore[untyped-decorator]  # <- here
            async def tell(event: Opened) -> None: ...


def test_a_decorator_with_arguments_that_it_does_not_take(domain: Domain) -> None:
    untyped: Any = domain
    for name, arguments, problem in (
        ("aggregate", {}, "@domain.aggregate: missing a required argument: 'key'; write @domain.aggregate("),
        ("event", {"vesion": 2}, "@domain.event: got an unexpected keyword argument 'vesion'; write @domain"),
        ("command", {"rights": 1}, "@domain.command: got an unexpected keyword argument 'rights'; write"),
        ("reactor", {"keys": "id"}, "@domain.reactor: got an unexpected keyword argument 'keys'; write"),
        ("process", {"key": "account_id", "starts": Opened}, "starts must be a collection: starts={Opened}"),
        ("process", {"key": "account_id", "starts": (), "ends": Opened}, "ends must be a collection: ends={"),
    ):
        with refused(problem):

            @getattr(untyped, name)(**arguments)  # <- here
            class Box: ...

    with refused("@domain.aggregate: too many positional arguments; write @domain.aggregate(key="):

        @untyped.aggregate("account_id")  # <- here
        class Crate: ...

    with refused("tell: [<class 'tests.domain.shop.Opened'>] is not an event of this domain"):

        @untyped.effect([Opened])  # type: ignore[untyped-decorator]  # <- here
        async def tell(event: Opened) -> None: ...


def test_touches_without_its_parentheses() -> None:
    untyped: Any = touches
    with refused("touches needs names of fields, or a function that takes the event, in parentheses"):

        class Box:
            @untyped  # type: ignore[untyped-decorator]  # <- here
            def opened(self, event: Opened) -> None: ...


def test_a_mutable_dataclass_above_the_decorator(domain: Domain) -> None:
    with refused("Loose is a mutable dataclass: write @dataclass(frozen=True) below the decorator"):

        @dataclass  # <- here
        @domain.event
        class Loose:
            account_id: UUID

        domain.check()


def test_an_effect_whose_parameter_is_another_event(domain: Domain) -> None:
    @domain.event
    class Shut:
        account_id: UUID

    with refused("tell is declared for Opened, but its event is annotated Shut"):

        @domain.effect(Opened, Shut)  # <- here
        async def tell(event: Shut) -> None: ...

    @domain.effect(Opened, Shut)
    async def told(event: Opened | Shut) -> None: ...

    @domain.effect(Opened, Shut)
    async def heard(event: Any) -> None: ...


def test_a_reactor_that_returns_an_event(domain: Domain) -> None:
    with refused("Clerk.opened returns Opened, an event; a reactor sends commands"):

        @domain.reactor
        class Clerk:
            def opened(self, event: Opened) -> Iterator[Open | Opened]:  # <- here
                yield from ()


def test_a_decider_that_returns_what_its_aggregate_does_not_evolve_by(domain: Domain) -> None:
    @domain.event
    class Shut:
        account_id: UUID

    @domain.command
    class Close:
        account_id: UUID

    for returned, problem in (
        (list[Opened | Shut], "Box.close returns Shut, an event that Box does not evolve by"),
        (Close, "Box.close returns Close, a command; a decider returns events"),
        (Opened | Rejected, "Box.close returns Rejected, an error: raise it"),
    ):
        with refused(problem):

            @domain.aggregate(key="account_id")
            class Box:
                def close(self, command: Close) -> returned: ...  # type: ignore[valid-type]  # <- here

                def opened(self, event: Opened) -> "Box":
                    return self


def test_an_evolver_that_returns_another_class_than_its_own(domain: Domain) -> None:
    with refused("Box.opened returns Opened, not the next state, which is a Box"):

        @domain.aggregate(key="account_id")
        class Box:
            def opened(self, event: Opened) -> Opened:  # <- here
                return event


def test_a_method_of_a_projection_that_returns_another_class_than_its_own(domain: Domain) -> None:
    class Base: ...

    with refused("Box.opened returns Opened, not a row, which is a Box"):

        @domain.projection("box", key="account_id")
        class Box(Base):
            account_id: UUID

            @classmethod  # <- here
            def opened(cls, event: Opened) -> "Opened | None": ...

    @domain.projection("crate", key="account_id")
    class Crate(Base):
        account_id: UUID

        @classmethod
        def opened(cls, event: Opened) -> Base | None: ...


def test_a_rejection_that_is_returned() -> None:
    shop = Domain("shop")

    @shop.event
    class Bought:
        item_id: UUID

    @shop.command
    @dataclass(frozen=True)
    class Buy:
        item_id: UUID

    @shop.aggregate(key="item_id")
    class Item:
        def buy(self, command: Buy) -> Any:
            return Rejected("SOLD_OUT")

        def bought(self, event: Bought) -> Any: ...

    with pytest.raises(InvalidDecision, match=r"Item.buy returned Rejected; write raise, not return"):
        given().when(Buy(uuid4()))
