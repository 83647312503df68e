"""What a unique key cannot be: told at import, with the line."""

# No `from __future__ import annotations`: the classes here are local, and text could not find them.

from decimal import Decimal
from typing import Any

import pytest

from commander import Domain, Unique
from tests.domain.refusing import refused


async def later(state: Any) -> Any: ...


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("email", "Person: unique must be a tuple of fields: unique=('email',)"),
        (Unique("email"), "Person: unique must be a tuple of fields: unique=(Unique(…),)"),
        (5, "Person: unique must be a tuple of fields"),
        ((5,), "unique has 5; it takes a field, a tuple of fields, or Unique(…)"),
        ((("email", 5),), "unique has ('email', 5); it takes a field"),
        (((),), "a unique key needs a field, or Unique(keys=…, name=…)"),
        ((Unique(5),), "Unique takes names of fields, got (5,)"),  # type: ignore[arg-type]
        ((Unique(keys=lambda person: ()),), "a unique key without a field needs a name"),
        ((("email", "email"),), "the unique key ('email', 'email') has a field twice"),
        (("mail",), "the unique key mail: Person has no field mail; it has email, share, tags"),
        ((Unique("mail", keys=lambda person: ()),), "Person has no field mail; it has email, share, tags"),
        (("email", Unique("email")), "two unique keys have the name email; give one another"),
        ((Unique("email", name="e mail"),), "the unique key e mail: a name in GraphQL may have"),
        ((Unique("email", name=5),), "the name 5 of a unique key must be a text"),  # type: ignore[arg-type]
        ((Unique("email", keys="email"),), "keys must be a function, got 'email'"),  # type: ignore[arg-type]
        ((Unique("email", normalise=5),), "normalise must be a function, got 5"),  # type: ignore[arg-type]
        ((Unique("email", keys=later),), "keys is async; domain code must be synchronous"),  # type: ignore[arg-type]
        ((Unique("email", normalise=later),), "normalise is async; domain code must be synchronous"),
        (
            ("share",),
            "share must be a str, bool, int, BigInt, Decimal, UUID, datetime, date, time or an Enum",
        ),
        (("tags",), "tags must be a str, bool, int, BigInt, Decimal, UUID, datetime, date, time or an Enum"),
    ],
)
def test_a_unique_key_that_is_none(domain: Domain, given: Any, problem: str) -> None:
    with refused(problem):

        @domain.aggregate(key="account_id", unique=given)  # <- here
        class Person:
            email: str | None = None
            share: float = 0.0
            tags: tuple[Decimal, ...] = ()
