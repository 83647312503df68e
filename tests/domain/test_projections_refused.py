"""Errors in the definition of a projection: raised at import, with file and line."""

# No `from __future__ import annotations`: the classes here are local, and text could not find them.

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from commander import Domain, touches
from tests.domain.refusing import refused
from tests.domain.shop import Elsewhere, Opened


def test_a_projection_that_can_change(domain: Domain) -> None:
    with refused("Row must be a frozen dataclass"):

        @domain.projection("account", key="account_id")  # <- here
        @dataclass
        class Row:
            account_id: UUID


@pytest.mark.parametrize(
    "arguments",
    [
        {"key": "id"},
        {"key": "account_id", "indexes": ("id",)},
        {"key": "account_id", "indexes": (("account_id", "id"),)},
        {"key": "account_id", "filterable": ("id",)},
    ],
)
def test_a_projection_without_the_field_of_its_key_or_index(domain: Domain, arguments: Any) -> None:
    with refused("Row has no field id"):

        @domain.projection("account", **arguments)  # <- here
        class Row:
            account_id: UUID

            def opened(self, event: Opened) -> Any: ...


def test_a_projection_whose_key_may_be_none(domain: Domain) -> None:
    with refused("Row.account_id: the key of a row cannot be None"):

        @domain.projection("account", key="account_id")  # <- here
        class Row:
            account_id: UUID | None

            def opened(self, event: Opened) -> Any: ...


@pytest.mark.parametrize("declared", [{"indexes": ("tags",)}, {"filterable": ("tags",)}])
def test_a_projection_whose_key_or_index_has_no_order_in_postgres(domain: Domain, declared: Any) -> None:
    with refused("Row.tags: a list or a value object cannot be the key, a reference, indexed or filterable"):

        @domain.projection("account", key="account_id", **declared)  # <- here
        class Row:
            account_id: UUID
            tags: tuple[str, ...] = ()

            def opened(self, event: Opened) -> Any: ...


def test_a_projection_that_handles_an_event_without_its_key(domain: Domain) -> None:
    with refused("Row.opened: Opened has no field owner to find its row by"):

        @domain.projection("account", key="owner")
        class Row:
            owner: str

            @classmethod  # <- here
            def opened(cls, event: Opened) -> Any: ...


def test_a_projection_that_handles_an_event_with_a_key_of_another_type(domain: Domain) -> None:
    with refused("Opened.account_id must be of the same type as Row.account_id"):

        @domain.projection("account", key="account_id")
        class Row:
            account_id: str

            def opened(self, event: Opened) -> Any: ...  # <- here


def test_a_projection_that_handles_an_event_whose_key_may_be_none(domain: Domain) -> None:
    with refused("Closed.account_id must be of the same type as Row.account_id"):

        @domain.event
        class Closed:
            account_id: UUID | None = None

        @domain.projection("account", key="account_id")
        class Row:
            account_id: UUID

            def closed(self, event: Closed) -> Any: ...  # <- here


def test_a_projection_that_handles_an_event_twice(domain: Domain) -> None:
    with refused("Row.again: another method already handles Opened;"):

        @domain.projection("account", key="account_id")
        class Row:
            account_id: UUID

            @classmethod
            def opened(cls, event: Opened) -> Any: ...

            def again(self, event: Opened) -> Any: ...  # <- here


def test_a_projection_that_handles_nothing(domain: Domain) -> None:
    with refused("Row handles no event of this domain"):

        @domain.projection("account", key="account_id")  # <- here
        class Row:
            account_id: UUID

            def elsewhere(self, event: Elsewhere) -> Any: ...


def test_a_projection_with_a_handler_that_asks_for_too_much(domain: Domain) -> None:
    with refused("Row.opened has too many parameters"):

        @domain.projection("account", key="account_id")
        class Row:
            account_id: UUID

            def opened(self, event: Opened, row: Any) -> Any: ...  # <- here


@pytest.mark.parametrize("name", ["my accounts", "", "1st", "_account", "größe"])
def test_a_projection_of_a_name_that_graphql_does_not_take(domain: Domain, name: str) -> None:
    for arguments in ({"name": name, "plural": "rows"}, {"name": "row", "plural": name or "-"}):
        with refused("a name in GraphQL may have letters from A to Z"):

            @domain.projection(arguments["name"], plural=arguments["plural"], key="account_id")  # <- here
            class Row:
                account_id: UUID

                def opened(self, event: Opened) -> Any: ...


@pytest.mark.parametrize(
    ("name", "plural"),
    [
        ("event", None),
        ("thing", "events"),
        ("command", None),
        ("sheep", "sheep"),
        ("account", "accountList"),
        ("owner", "accounts"),
        ("opened", None),
    ],
)
def test_a_projection_of_a_name_that_another_query_or_type_has(
    domain: Domain, name: str, plural: str | None
) -> None:
    @domain.projection("account", key="account_id")
    class AccountRow:
        account_id: UUID

        def opened(self, event: Opened) -> Any: ...

    with refused("is taken"):

        @domain.projection(name, plural=plural, key="account_id")  # <- here
        class Row:
            account_id: UUID

            def opened(self, event: Opened) -> Any: ...


def test_a_projection_of_names_that_postgres_would_cut_off(domain: Domain) -> None:
    with refused("the name is too long for Postgres; use at most 43 characters"):

        @domain.projection("a" * 44, key="account_id")  # <- here
        class Row:
            account_id: UUID

            def opened(self, event: Opened) -> Any: ...

    with refused("the name is too long for Postgres; use at most 63 characters"):

        @domain.projection("account", key="account_id")  # <- here
        class Long:
            account_id: UUID
            __annotations__["a" * 64] = int

            def opened(self, event: Opened) -> Any: ...


@pytest.mark.parametrize(
    ("rows", "column", "problem"),
    [
        (("gone",), {}, "Row.opened: Opened has no field gone"),
        (("name",), {}, "Row.opened: Named.name must be of the same type as the key account_id"),
        ((), {"gone": "name"}, "Row.named: the projection has no column gone"),
        ((), {"owner": "gone"}, "Row.named: Named has no field gone"),
        ((), {"owner": "account_id"}, "Named.account_id must be a scalar or an enum, of the same type"),
        ((), {"tags": "tags"}, "Named.tags must be a scalar or an enum"),
        ((), {}, "touches() takes either names of fields, or one function, or one column=field"),
        (
            ("account_id", len),
            {},
            "touches() takes either names of fields, or one function, or one column=field",
        ),
        (("account_id",), {"owner": "name"}, "touches() takes either names of fields, or one function"),
        ((1,), {}, "touches() takes either names of fields, or one function"),
    ],
)
def test_a_projection_that_touches_rows_which_cannot_be_found(
    domain: Domain, rows: Any, column: Any, problem: str
) -> None:
    @domain.event
    @dataclass(frozen=True)
    class Named:
        account_id: UUID
        name: str
        tags: tuple[str, ...] = ()

    with refused(problem.replace("Row.opened: Opened", "Row.named: Named").replace("opened", "named")):

        @domain.projection("account", key="account_id")
        @dataclass(frozen=True)
        class Row:
            account_id: UUID
            owner: str = ""
            tags: tuple[str, ...] = ()

            @touches(*rows, **column)  # <- here
            def named(self, event: Named) -> Any: ...


def test_a_projection_that_begins_rows_which_are_found_by_a_column(domain: Domain) -> None:
    with refused("rows that are found by a column already exist"):

        @domain.projection("account", key="account_id")
        class Row:
            account_id: UUID

            @touches(account_id="account_id")  # <- here
            @classmethod
            def opened(cls, event: Opened) -> Any: ...
