"""What a guard cannot be: told at import, with the line."""

# No `from __future__ import annotations`: the classes here are local, and text could not find them.

from dataclasses import dataclass
from typing import Any

import pytest

from commander import CommandContext, DefinitionError, Domain, guards
from tests.domain.refusing import refused
from tests.domain.shop import Elsewhere, Open, Opened


async def later(self: Any) -> None: ...


def piecemeal(self: Any) -> Any:
    yield


def by_command(self: Any, command: Open) -> None: ...


def by_time(self: Any, context: CommandContext) -> None: ...


def by_option(self: Any, *, strict: bool = True) -> None: ...


def of_nothing() -> None: ...


@pytest.mark.parametrize(
    ("method", "problem"),
    [
        (later, "later: a guard must be a plain method, not async"),
        (piecemeal, "piecemeal: a guard must be a plain method, not async and not a generator"),
        (by_command, "by_command: a guard takes self, the state, and nothing else"),
        (by_time, "by_time: a guard takes self, the state, and nothing else"),
        (by_option, "by_option: a guard takes self, the state, and nothing else"),
        (of_nothing, "of_nothing: a guard takes self, the state, and nothing else"),
        (staticmethod(of_nothing), "a guard must be a plain method"),
        (property(piecemeal), "a guard must be a plain method"),
    ],
)
def test_a_guard_that_is_no_plain_method_of_the_state(method: Any, problem: str) -> None:
    with refused(problem):
        decorate = guards(Open)  # <- here
        decorate(method)


def test_a_decorator_without_commands() -> None:
    with refused("write the decorator with the commands: @guards(Withdraw, Close)"):

        @guards  # type: ignore[arg-type]  # <- here
        def is_open(self: Any) -> None: ...

    with refused("write the decorator with the commands"):
        guards()  # <- here
    with refused("write the decorator with the commands"):
        guards("Open")  # type: ignore[arg-type]  # <- here


def test_a_command_that_the_aggregate_does_not_decide(domain: Domain) -> None:
    with refused("Account.is_new: Account does not decide Elsewhere"):

        @domain.aggregate(key="account_id")
        @dataclass(frozen=True)
        class Account:
            @guards(Open, Elsewhere)  # <- here
            def is_new(self) -> None: ...

            def decide(self, command: Open) -> Opened:
                return Opened(command.account_id)

            def evolve(self, event: Opened) -> "Account":
                return self


def test_a_guard_that_answers_yes_or_no(domain: Domain) -> None:
    with refused("Account.is_new: a guard returns None: let it raise Rejected"):

        @domain.aggregate(key="account_id")
        @dataclass(frozen=True)
        class Account:
            @guards(Open)  # type: ignore[type-var]  # <- here
            def is_new(self) -> bool:
                return True

            def decide(self, command: Open) -> Opened:
                return Opened(command.account_id)

            def evolve(self, event: Opened) -> "Account":
                return self


def test_a_guard_that_would_not_run_because_it_is_inherited(domain: Domain) -> None:

    class Base:
        @guards(Open)  # the line that the error names
        def is_new(self) -> None: ...

    with pytest.raises(DefinitionError, match=r"Base.is_new: a guard is not inherited; define it in Account"):

        @domain.aggregate(key="account_id")
        @dataclass(frozen=True)
        class Account(Base):
            def decide(self, command: Open) -> Opened:
                return Opened(command.account_id)

            def evolve(self, event: Opened) -> "Account":
                return self


def test_a_guard_that_became_a_static_method(domain: Domain) -> None:
    with pytest.raises(DefinitionError, match=r"Account.is_new: a guard must be a plain method: its self is"):

        @domain.aggregate(key="account_id")
        @dataclass(frozen=True)
        class Account:
            @staticmethod
            @guards(Open)
            def is_new(state: Any) -> None: ...

            def decide(self, command: Open) -> Opened:
                return Opened(command.account_id)

            def evolve(self, event: Opened) -> "Account":
                return self
