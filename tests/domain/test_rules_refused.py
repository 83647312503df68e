"""Errors in rules: raised at import or when the domain is loaded, with file and line."""

# No `from __future__ import annotations`: the classes here are local, and text could not find them.

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import pytest

from commander import DefinitionError, Domain, Viewer, Visible, any_of, anyone, one_of, same_as, where
from tests.domain.refusing import refused
from tests.domain.shop import Opened, add_account


@contextmanager
def refused_above(problem: str) -> Iterator[None]:
    """The block raises DefinitionError for this reason, at a line of this file."""
    with pytest.raises(DefinitionError) as caught:
        yield
    assert re.match(re.escape(__file__) + r":\d+: ", str(caught.value)), str(caught.value)
    assert problem in caught.value.problem, caught.value.problem


async def slow(viewer: Any) -> bool:
    return True


def named(*, viewer: Any) -> bool:
    return True


def with_option(viewer: Any, *, option: bool = True) -> bool:
    return option


def with_more(viewer: Any, *more: Any) -> bool:
    return True


@pytest.mark.parametrize(
    ("allow", "problem"),
    [
        ("teller", 'Close: allow: write {"teller"}, a set of roles'),
        ({"teller", 1}, "Close: allow takes a set of roles, each a text"),
        ({""}, "Close: allow takes a set of roles, each a text"),
        (
            ["teller"],
            "Close: allow: write a set of roles, anyone, any_of(…) or a function of viewer, command, state",
        ),
        (True, "Close: allow: write a set of roles"),
        (dict, "Close: allow: write a set of roles"),
        (any_of(), "Close: allow: any_of() needs at least one rule"),
        (any_of({"teller"}, "clerk"), 'Close: allow: write {"clerk"}, a set of roles'),
        (
            where(a=1),
            "Close: allow: where(…) cannot be used here; write a function of viewer, command, state",
        ),
        (same_as("account"), "Close: allow: same_as(…) cannot be used here; it is for events"),
    ],
)
def test_a_command_with_a_wrong_rule(domain: Domain, allow: Any, problem: str) -> None:
    with refused(problem):

        @domain.command(allow=allow)  # <- here
        class Close:
            account_id: UUID


@pytest.mark.parametrize("count", [0, 4])
def test_a_rule_of_a_command_with_the_wrong_number_of_parameters(domain: Domain, count: int) -> None:
    rules: dict[int, Callable[..., bool]] = {0: lambda: True, 4: lambda a, b, c, d: True}
    with refused_above("allow: a rule takes viewer, command and state, or the first of them"):

        @domain.command(allow=rules[count])
        class Close:
            account_id: UUID


def test_a_rule_that_is_async_or_has_no_positional_parameters(domain: Domain) -> None:
    positional = "each as a positional parameter"
    wrong: dict[Any, str] = {
        slow: "must be a plain function",
        named: positional,
        with_option: positional,
        with_more: positional,
    }
    for rule, problem in wrong.items():
        with refused_above(problem):

            @domain.command(allow=rule)
            class Close:
                account_id: UUID


def test_a_rule_for_a_command_that_only_reactors_send(domain: Domain) -> None:
    with refused("Close: only reactors send an internal command"):

        @domain.command(internal=True, allow=anyone)  # <- here
        class Close:
            account_id: UUID


@pytest.mark.parametrize(
    ("visible", "problem"),
    [
        ("teller", 'Row: visible: write {"teller"}, a set of roles'),
        (True, "Row: visible: write a set of roles, anyone, any_of(…) or a function of viewer"),
        (same_as("account"), "Row: visible: same_as(…) cannot be used here; it is for events"),
        (where(gone=1), "Row has no field gone, which where() names"),
        (where(owner=1), "Row.owner in where() must be a str, got int 1"),
        (where(owner=one_of("a", 1)), "Row.owner in where() must be a str, got int 1"),
        (where(owner="a") & ~where(gone=1), "Row has no field gone"),
        (where(tags="a"), "Row.tags: a list or a value object cannot be compared in where()"),
    ],
)
def test_a_projection_with_a_wrong_rule(domain: Domain, visible: Any, problem: str) -> None:
    with refused(problem):

        @domain.projection("account", key="account_id", visible=visible)  # <- here
        class Row:
            account_id: UUID
            owner: str = ""
            tags: tuple[str, ...] = ()

            @classmethod
            def opened(cls, event: Opened) -> Any: ...


def test_an_event_whose_rule_names_a_field_that_it_does_not_have(domain: Domain) -> None:
    with refused("Closed has no field owner, which where() names"):

        @domain.event(visible=where(owner="a"))  # <- here
        class Closed:
            account_id: UUID


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        (lambda viewer: where(gone=1), "account has no field gone, which where() names"),
        (lambda viewer: where(owner=len(viewer.roles)), "account.owner in where() must be a str, got int"),
        (lambda viewer: None, "the rule of account returned None; it must return where(…), or True or False"),
        (lambda viewer: "ada", "the rule of account returned 'ada'"),
        (lambda viewer: same_as("account"), "the rule of account returned same_as(…), which is for events"),
    ],
)
def test_a_function_of_a_projection_is_called_when_the_domain_is_loaded(
    domain: Domain, rule: Any, problem: str
) -> None:
    @domain.projection("account", key="account_id", visible=rule)
    @dataclass(frozen=True)
    class Row:
        account_id: UUID
        owner: str = ""

        @classmethod
        def opened(cls, event: Opened) -> Any: ...

    add_account(domain)
    with refused_above(problem):
        domain.check()


def test_a_function_that_needs_more_of_a_viewer_is_not_refused(domain: Domain) -> None:
    @domain.projection("account", key="account_id", visible=lambda viewer: where(owner=viewer.claims["name"]))
    @dataclass(frozen=True)
    class Row:
        account_id: UUID
        owner: str = ""

        @classmethod
        def opened(cls, event: Opened) -> Any: ...

    add_account(domain)
    domain.check()


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        (same_as("gone"), "Renamed: there is no projection gone, which same_as() names"),
        (same_as("account", key="gone"), "Renamed has no field gone, which same_as() names"),
        (same_as("account", key="name"), "Renamed.name must be of the same type as Row.account_id"),
    ],
)
def test_an_event_that_is_visible_as_a_row_which_cannot_be_found(
    domain: Domain, rule: Any, problem: str
) -> None:
    @domain.event(visible=rule)
    @dataclass(frozen=True)
    class Renamed:
        name: str

    @domain.projection("account", key="account_id", visible=anyone)
    @dataclass(frozen=True)
    class Row:
        account_id: UUID

        @classmethod
        def opened(cls, event: Opened) -> Any: ...

    @domain.command
    @dataclass(frozen=True)
    class Rename:
        name: str

    add_account(domain)

    @domain.aggregate(key="name")
    @dataclass(frozen=True)
    class Name:
        def rename(self, command: Rename) -> Renamed:
            return Renamed(command.name)

        def renamed(self, event: Renamed) -> Any:
            return self

    with refused_above(problem):
        domain.check()


def test_an_event_that_is_visible_as_a_row_with_a_key_of_another_type_than_its_stream(domain: Domain) -> None:
    @domain.event(visible=same_as("account"))
    @dataclass(frozen=True)
    class Renamed:
        other: str

    @domain.projection("account", key="account_id", visible=anyone)
    @dataclass(frozen=True)
    class Row:
        account_id: UUID

        @classmethod
        def opened(cls, event: Opened) -> Any: ...

    @domain.command
    @dataclass(frozen=True)
    class Rename:
        name: str

    add_account(domain)

    @domain.aggregate(key="name")
    @dataclass(frozen=True)
    class Name:
        def rename(self, command: Rename) -> Renamed:
            return Renamed(command.name)

        def renamed(self, event: Renamed) -> Any:
            return self

    with refused_above("same_as('account'): the key name of its stream is not of the type of Row.account_id"):
        domain.check()


@pytest.mark.parametrize(
    ("mark", "problem"),
    [
        (Visible("teller"), 'Row.owner: Visible: write the roles as a set: {"teller"}'),  # type: ignore[arg-type]
        (Visible({1}), "Row.owner: Visible takes a set of roles"),  # type: ignore[arg-type]
    ],
    ids=["text", "number"],
)
def test_a_field_with_wrong_roles(domain: Domain, mark: Any, problem: str) -> None:
    with refused(problem):

        @domain.projection("account", key="account_id")  # <- here
        class Row:
            account_id: UUID
            owner: Annotated[str, mark] = ""

            @classmethod
            def opened(cls, event: Opened) -> Any: ...


def test_a_field_with_two_marks(domain: Domain) -> None:
    with refused("Close.owner: write one Visible with all roles, not 2"):

        @domain.command  # <- here
        class Close:
            account_id: UUID
            owner: Annotated[str, Visible({"a"}), Visible({"b"})] = ""


def test_a_hidden_key_of_a_row(domain: Domain) -> None:
    with refused("Row.account_id: the key of a row cannot be hidden"):

        @domain.projection("account", key="account_id")  # <- here
        class Row:
            account_id: Annotated[UUID, Visible({"teller"})]

            @classmethod
            def opened(cls, event: Opened) -> Any: ...


def test_a_hidden_key_of_a_command(domain: Domain) -> None:
    @domain.command
    @dataclass(frozen=True)
    class Close:
        account_id: Annotated[UUID, Visible({"teller"})]

    with refused("the key Close.account_id cannot be hidden"):

        @domain.aggregate(key="account_id")
        class Account:
            def close(self, command: Close) -> None: ...  # <- here


def test_a_hidden_field_inside_a_value_object(domain: Domain) -> None:
    @dataclass(frozen=True)
    class Address:
        street: Annotated[str, Visible({"teller"})]

    with refused_above("Address.street: Visible is for a field of a row, an event or a command"):

        @domain.command
        @dataclass(frozen=True)
        class Close:
            account_id: UUID
            address: Address


@dataclass
class Mutable:
    name: str


class Opaque:
    pass


def untyped(viewer: Viewer):  # type: ignore[no-untyped-def]
    return viewer


def mutable(viewer: Viewer) -> Mutable:
    return Mutable("")


def opaque(viewer: Viewer) -> Opaque:
    return Opaque()


def two(viewer: Viewer, more: int) -> Viewer:
    return viewer


async def waiting(viewer: Viewer) -> Viewer:
    return viewer


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (untyped, "untyped: annotate the class of the viewer that it returns"),
        (mutable, "mutable: Mutable must be frozen"),
        (opaque, "opaque: Opaque cannot be stored with a command"),
        (two, "two must take one parameter, the Viewer"),
        (waiting, "waiting must be a plain function"),
        (3, "3: @viewer decorates a function"),
    ],
    ids=["untyped", "mutable", "opaque", "two", "waiting", "number"],
)
def test_a_wrong_viewer_function(domain: Domain, function: Any, problem: str) -> None:
    with refused_above(problem):
        domain.viewer(function)


def test_a_second_viewer_function(domain: Domain) -> None:
    @domain.viewer
    def first(viewer: Viewer) -> Viewer:
        return viewer

    with refused_above(f"the domain has a viewer function at {__file__}:"):

        @domain.viewer
        def second(viewer: Viewer) -> Viewer:
            return viewer
