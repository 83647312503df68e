"""What a decider over several states cannot be: told at import, with the line."""

# No `from __future__ import annotations`: the classes here are local, and text could not find them.

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from commander import CommandContext, DefinitionError, Domain, guards
from tests.domain.refusing import refused
from tests.domain.shop import Elsewhere, Open, Opened, disown


@dataclass(frozen=True)
class Shut:
    account_id: UUID


@dataclass(frozen=True)
class Move:
    account_id: UUID
    to_id: UUID
    bad_id: UUID | None = None
    rate: float = 0.0


@dataclass(frozen=True)
class Moved:
    amount: int


@dataclass(frozen=True)
class Counted:
    count: int


@dataclass(frozen=True)
class Account:
    opened: bool = False

    def open(self, command: Open) -> Opened:
        return Opened(command.account_id)

    def was_opened(self, event: Opened) -> "Account":
        return self

    def moved(self, event: Moved) -> "Account":
        return self


@dataclass(frozen=True)
class Counter:
    count: int = 0

    def counted(self, event: Counted) -> "Counter":
        return self


@pytest.fixture
def shop(domain: Domain) -> Iterator[Domain]:
    """The domain with an aggregate of accounts and one of counters, and the command Move."""
    for event in (Moved, Counted, Shut):
        domain.event(event)
    domain.command(Move)
    domain.aggregate(key="account_id")(Account)
    domain.aggregate(key="counter_id")(Counter)
    yield domain
    disown(Moved, Counted, Shut, Move)


def test_a_decorator_without_parentheses(shop: Domain) -> None:
    untyped: Any = shop
    with refused("write the decorator with parentheses: @domain.decider()"):

        @untyped.decider  # type: ignore[untyped-decorator]  # <- here
        def move(command: Move, account: Account) -> None: ...


async def later(command: Move, account: Account) -> None: ...
def by_name(command: Move, *, account: Account) -> None: ...
def of_any(command: Move, *accounts: Account) -> None: ...
def bare(command: Move, account) -> None: ...  # type: ignore[no-untyped-def]
def of_nothing() -> None: ...
def of_event(event: Opened, account: Account) -> None: ...
def of_stranger(command: Elsewhere, account: Account) -> None: ...
def stateless(command: Move) -> None: ...
def only_context(command: Move, context: CommandContext) -> None: ...
def of_row(command: Move, account: Account, row: Elsewhere) -> None: ...
def of_text(command: Move, account: "Account | None") -> None: ...
def context_first(command: Move, context: CommandContext, account: Account) -> None: ...
def keyless(command: Move, account: Account, counter: Counter) -> None: ...
def twice(command: Move, source: Account, target: Account) -> None: ...
def stranger_returned(command: Move, account: Account) -> Shut:
    raise NotImplementedError


def command_returned(command: Move, account: Account) -> list[Move]:
    raise NotImplementedError


def error_returned(command: Move, account: Account) -> ValueError:
    raise NotImplementedError


def second(command: Open, account: Account) -> None: ...


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (later, "later is async; domain code must be synchronous"),
        (by_name, "by_name must take each argument as a positional parameter"),
        (of_any, "of_any must take each argument as a positional parameter"),
        (bare, "bare: annotate account with its type"),
        (of_nothing, "of_nothing: its first parameter must be a command of this domain"),
        (of_event, "of_event: its first parameter must be a command of this domain"),
        (of_stranger, "of_stranger: its first parameter must be a command of this domain"),
        (stateless, "stateless: it takes no state; after the command comes a state"),
        (only_context, "only_context: it takes no state; after the command comes a state"),
        (of_row, "of_row: row is Elsewhere, which is not an aggregate or a decision model of this domain"),
        (of_text, "which is not an aggregate or a decision model of this domain"),
        (context_first, "context_first: the CommandContext context must be the last parameter"),
        (
            keyless,
            "keyless: counter: Move has no field counter_id, the aggregate's key; say which field has it: "
            'decider(counter="…")',
        ),
        (
            twice,
            "twice: source and target are the same state, by account_id; say where their keys are: "
            'decider(source="…", target="…")',
        ),
        (
            stranger_returned,
            "stranger_returned returns Shut, an event that no aggregate of its states evolves by",
        ),
        (command_returned, "command_returned returns Move, a command; a decider returns events"),
        (error_returned, "error_returned returns ValueError, an error: raise it"),
        (second, "second: Open is decided twice; Account decides it at"),
    ],
)
def test_a_function_that_is_no_decider(shop: Domain, function: Callable[..., Any], problem: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        shop.decider()(function)
    assert problem in caught.value.problem
    assert caught.value.where == f"{__file__}:{function.__code__.co_firstlineno}"


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"acount": "to_id"}, "move has no state acount; it has account, counter"),
        ({"counter": "to"}, "move: counter: Move has no field to, the aggregate's key"),
        ({"counter": "bad_id"}, "move: counter: the key Move.bad_id cannot be None"),
        ({"counter": "rate"}, "the key Move.rate must be a UUID, str, int, BigInt or date"),
        ({"counter": 5}, "move: counter=5 must be the name of a field of Move"),
    ],
)
def test_a_key_that_the_command_does_not_have(shop: Domain, keys: Any, problem: str) -> None:
    with refused(problem):

        @shop.decider(**keys)  # <- here
        def move(command: Move, account: Account, counter: Counter) -> None: ...


def test_something_else_than_a_function(shop: Domain) -> None:
    with refused("a decider must be a function"):
        decorate = shop.decider(account="to_id")  # <- here
        decorate(5)  # type: ignore[type-var]


def test_an_event_that_could_go_to_either_of_two_streams(shop: Domain) -> None:
    with refused("both source and target evolve by Moved; give it the field account_id, the key of its"):

        @shop.decider(target="to_id")  # <- here
        def move(command: Move, source: Account, target: Account) -> tuple[Opened, Moved]:
            raise NotImplementedError


def test_two_deciders_of_a_command(shop: Domain) -> None:
    @shop.decider(target="to_id")
    def move(command: Move, source: Account, target: Account) -> None: ...

    with refused("again: Move is decided twice; move decides it at"):

        @shop.decider()  # <- here
        def again(command: Move, account: Account) -> None: ...

    with refused("Third: Move is decided twice; move decides it at"):

        @shop.aggregate(key="account_id")  # <- here
        class Third:
            def move(self, command: Move) -> None: ...


def test_a_guard_of_a_command_that_another_aggregate_decides(domain: Domain) -> None:
    with refused("Account.is_new: Account does not decide Open"):

        @domain.aggregate(key="account_id")
        @dataclass(frozen=True)
        class Account:
            @guards(Open)  # <- here
            def is_new(self) -> None: ...

            def was_opened(self, event: Opened) -> "Account":
                return self

        @domain.aggregate(key="account_id")
        @dataclass(frozen=True)
        class Desk:
            def open(self, command: Open) -> None: ...

        domain.check()
