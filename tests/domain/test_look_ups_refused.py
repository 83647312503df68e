"""What a look-up of a decider cannot be: told at import, with the line."""

# No `from __future__ import annotations`: the classes here are local, and text could not find them.

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from commander import BigInt, DefinitionError, Domain, Found, Unique, by
from tests.domain.shop import Open, Opened, disown


@dataclass(frozen=True)
class Move:
    account_id: UUID
    email: str
    other: str | None
    number: int
    large: BigInt
    rate: float
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Counted:
    count: int


@dataclass(frozen=True)
class Named:
    mixed: int
    name: str


@dataclass(frozen=True)
class Renamed:
    mixed: str


@dataclass(frozen=True)
class Account:
    email: str | None = None
    owner: str | None = None
    currency: int = 0

    def open(self, command: Open) -> Opened:
        return Opened(command.account_id)

    def was_opened(self, event: Opened) -> "Account":
        return self


@dataclass(frozen=True)
class Counter:
    count: int = 0

    def counted(self, event: Counted) -> "Counter":
        return self


@dataclass(frozen=True)
class Mixed:
    name: str = ""

    def named(self, event: Named) -> "Mixed":
        return self

    def renamed(self, event: Renamed) -> "Mixed":
        return self


@pytest.fixture
def shop(domain: Domain) -> Iterator[Domain]:
    """The domain with aggregates with and without unique keys, and the command Move."""
    for event in (Counted, Named, Renamed):
        domain.event(event)
    domain.command(Move)
    phones = Unique(name="phones", keys=lambda account: ())
    domain.aggregate(key="account_id", unique=("email", ("owner", "currency"), phones))(Account)
    domain.aggregate(key="counter_id", unique=("count",))(Counter)
    domain.aggregate(key="mixed", unique=("name",))(Mixed)
    yield domain
    disown(Counted, Named, Renamed, Move)


def move(command: Move, source: Account, target: Found[Account] | None) -> None: ...
def plain(command: Move, source: Account, target: Account) -> None: ...
def always(command: Move, source: Account, target: Found[Account]) -> None: ...
def of_anything(command: Move, source: Account, target: Found | None) -> None: ...  # type: ignore[type-arg]
def of_text(command: Move, source: Account, target: Found[str] | None) -> None: ...
def first(command: Move, source: Found[Account] | None) -> None: ...
def keyless(command: Move, source: Account, target: Found[Counter] | None) -> None: ...
def mixed(command: Move, source: Account, target: Found[Mixed] | None) -> None: ...


@pytest.mark.parametrize(
    ("function", "given", "problem"),
    [
        (plain, by("email"), "target is found by a unique key: annotate it with Found[Account] | None"),
        (always, by("email"), "annotate target with Found[…] | None: it is None if no stream holds the key"),
        (of_anything, by("email"), "annotate target with Found[…] | None"),
        (of_text, by("email"), "target is str, which is not an aggregate or a decision"),
        (move, "email", 'target: say by which unique key of Account it is found: by("…", "…")'),
        (move, None, 'target: say by which unique key of Account it is found: by("…", "…")'),
        (move, by("mail"), "target: Account has no unique key 'mail'; it has email, owner_currency, phones"),
        (move, by(5), "target: Account has no unique key 5"),  # type: ignore[arg-type]
        (move, by("email", "to"), "target: Move has no field 'to' with the unique key email"),
        (move, by("email", 5), "target: Move has no field 5 with"),  # type: ignore[arg-type]
        (move, by("email", "number"), "Move.number must be a str, as the field email of the key is"),
        (move, by("email", "texts"), "Move.texts must be a str, as the field email of the key is"),
        (
            move,
            by("email", "email", "other"),
            "needs a field of Move for each of email, got ('email', 'other')",
        ),
        (move, by("owner_currency", "email"), "needs a field of Move for each of owner, currency, got"),
        (move, by("owner_currency"), "Move has no field 'owner' with the unique key owner_currency"),
        (move, by("owner_currency", "email", "large"), "Move.large must be a int, as the field currency"),
        (move, by("phones"), 'phones has no fields; say which of Move have its values: by("phones", "…")'),
        (move, by("phones", "rate"), "target: Move.rate cannot be part of a unique key"),
        (move, by("phones", "texts"), "target: Move.texts cannot be part of a unique key"),
        (keyless, by("count", "number"), "must have counter_id, its key, in one type that a key may have"),
        (
            mixed,
            by("name", "email"),
            "must have mixed, its key, in one type that a key may have; found: int, str",
        ),
    ],
)
def test_a_look_up_that_cannot_be(
    shop: Domain, function: Callable[..., Any], given: Any, problem: str
) -> None:
    keys = {} if given is None else {"target": given}
    with pytest.raises(DefinitionError) as caught:
        shop.decider(**keys)(function)
    assert problem in caught.value.problem
    assert caught.value.where == f"{__file__}:{function.__code__.co_firstlineno}"


def test_the_stream_of_the_command_is_not_looked_up(shop: Domain) -> None:
    with pytest.raises(
        DefinitionError, match="first state source cannot be found by a unique key: its stream"
    ):
        shop.decider(source=by("email"))(first)


def test_two_states_that_are_found_by_the_same_key(shop: Domain) -> None:
    def twice(
        command: Move, source: Account, one: Found[Account] | None, other: Found[Account] | None
    ) -> None: ...

    with pytest.raises(DefinitionError, match="one and other are the same state, by email"):
        shop.decider(one=by("email"), other=by("email", "email"))(twice)
    shop.decider(one=by("email"), other=by("email", "other"))(twice)
