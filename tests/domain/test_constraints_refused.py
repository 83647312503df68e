"""Constraints that a field cannot declare: each is an error where it is defined."""

# No `from __future__ import annotations`: the classes here are local, and text could not find them.

from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import annotated_types as at
import pytest

from commander import Domain, Ge, Gt, Le, Len, MaxLen, MultipleOf
from tests.domain.refusing import refused


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize("metadata", ["words", at.Unit("m"), at.Timezone("UTC"), at.Gt, 5], ids=repr)
def test_metadata_that_is_no_constraint_that_can_be_checked(domain: Domain, metadata: Any) -> None:
    with refused("Open.amount: "):

        @domain.command  # <- here
        class Open:
            amount: Annotated[int, metadata]


@pytest.mark.parametrize(
    ("hint", "constraint"),
    [
        (str, Gt(0)),
        (int, Len(1, 2)),
        (bool, Ge(0)),
        (UUID, MaxLen(3)),
        (Decimal, Gt("0")),
        (Decimal, MultipleOf(0.01)),
        (int, MultipleOf(0)),
        (date, Gt(datetime(2000, 1, 1))),
        (datetime, Le(datetime(2000, 1, 1))),
        (Colour, Ge(1)),
        (tuple[int, ...], Le(3)),
    ],
    ids=repr,
)
def test_a_constraint_that_no_value_of_the_type_can_be_held_against(
    domain: Domain, hint: Any, constraint: Any
) -> None:
    with refused(f"Open.amount: {constraint!r}".removesuffix(")") if constraint != Len(1, 2) else "MinLen"):

        @domain.command  # <- here
        class Open:
            amount: Annotated[hint, constraint]


def test_a_constraint_that_does_not_apply_to_the_items_of_a_list(domain: Domain) -> None:
    with refused("does not apply to the field's type"):

        @domain.command  # <- here
        class Open:
            names: tuple[Annotated[str, Gt(0)], ...]
