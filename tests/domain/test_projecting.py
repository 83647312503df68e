"""What a projection does to a row, and when it is another projection."""

# No `from __future__ import annotations`: the classes here are local, and text could not find them.

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest

from commander import Domain
from tests.domain.shop import Opened, disown

ID = UUID(int=7)


def test_a_projection_begins_changes_and_ends_a_row(domain: Domain) -> None:
    @domain.event
    @dataclass(frozen=True)
    class Closed:
        account_id: UUID

    @domain.projection("account", key="account_id")
    @dataclass(frozen=True)
    class Row:
        account_id: UUID
        count: int = 1

        @classmethod
        def opened(cls, event: Opened, row: "Row | None") -> "Row":
            return cls(event.account_id) if row is None else replace(row, count=row.count + 1)

        def closed(self, event: Closed) -> "Row | None":
            return None if self.count == 1 else replace(self, count=self.count - 1)

    projection = domain.projections["account"]
    assert projection.apply(None, Opened(ID), ID) == Row(ID)
    assert projection.apply(Row(ID), Opened(ID), ID) == Row(ID, 2)
    assert projection.apply(Row(ID, 2), Closed(ID), ID) == Row(ID)
    assert projection.apply(Row(ID), Closed(ID), ID) is None
    with pytest.raises(LookupError, match=f"no row has account_id {ID}, and"):
        projection.apply(None, Closed(ID), ID)


def test_a_static_or_class_method_without_a_row_begins_it_anew(domain: Domain) -> None:
    @domain.projection("account", key="account_id")
    @dataclass(frozen=True)
    class Row:
        account_id: UUID
        count: int = 1

        @staticmethod
        def opened(event: Opened) -> "Row":
            return Row(event.account_id)

    assert domain.projections["account"].apply(Row(ID, 5), Opened(ID), ID) == Row(ID)


def test_a_list_has_the_orders_of_its_indexes_and_is_filtered_by_their_columns_and_those_declared(
    domain: Domain,
) -> None:
    @domain.projection(
        "account",
        key="account_id",
        indexes=("owner", ("city", "owner"), ("account_id", "city"), "account_id"),
        filterable=("closed", "owner"),
    )
    @dataclass(frozen=True)
    class Row:
        account_id: UUID
        note: str = ""
        owner: str = ""
        closed: bool = False
        city: str = ""

        @classmethod
        def opened(cls, event: Opened) -> Any: ...

    projection = domain.projections["account"]
    assert [[field.name for field in order] for order in projection.orders] == [
        ["account_id"],
        ["owner", "account_id"],
        ["city", "owner", "account_id"],
        ["city", "account_id"],
    ]
    assert [field.name for field in projection.filterable] == ["account_id", "owner", "closed", "city"]


def fingerprint_of(colours: Any) -> str:
    disown()
    domain = Domain("shop")
    domain.event(Opened)

    @domain.projection("account", key="account_id")
    @dataclass(frozen=True)
    class Row:
        account_id: UUID
        colour: colours

        @classmethod
        def opened(cls, event: Opened) -> Any: ...

    return domain.projections["account"].fingerprint


def test_the_fingerprint_changes_with_the_types_that_a_row_is_made_of() -> None:
    two = Enum("Colour", {"RED": "red", "BLUE": "blue"})  # type: ignore[misc]
    one = Enum("Colour", {"RED": "red"})  # type: ignore[misc]

    def price(hint: Any) -> type:
        @dataclass(frozen=True)
        class Price:
            amount: hint

        return Price

    shapes = [two, one, one | None, str, price(int), price(Decimal), price(int | None), tuple[int, ...]]
    prints = [fingerprint_of(shape) for shape in shapes]
    assert len(set(prints)) == len(prints)
    assert prints == [fingerprint_of(shape) for shape in shapes]
