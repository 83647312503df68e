"""Errors in the definition of an aggregate: raised at import, with file and line."""

# No `from __future__ import annotations`: the classes here are local, and text could not find them.

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest

from commander import CommandContext, Domain
from tests.domain.refusing import refused
from tests.domain.shop import Open, Opened, add_account


class Colour(Enum):
    RED = "red"


def test_an_aggregate_that_can_change(domain: Domain) -> None:
    with refused("Account must be a frozen dataclass"):

        @domain.aggregate(key="account_id")  # <- here
        @dataclass
        class Account:
            balance: Decimal = Decimal(0)


def test_an_aggregate_with_a_field_that_has_no_default(domain: Domain) -> None:
    with refused("Account: every field needs a default"):

        @domain.aggregate(key="account_id")  # <- here
        class Account:
            balance: Decimal


def test_an_aggregate_with_a_default_that_all_would_share(domain: Domain) -> None:
    with refused("Account: mutable default"):

        @domain.aggregate(key="account_id")  # <- here
        class Account:
            seen: list[UUID] = []  # noqa: RUF012


def test_an_aggregate_whose_initial_state_raises(domain: Domain) -> None:
    with refused("Account: every field needs a default (it is broken)"):

        @domain.aggregate(key="account_id")  # <- here
        class Account:
            def __post_init__(self) -> None:
                raise ValueError("it is broken")


def test_an_aggregate_whose_command_has_no_key(domain: Domain) -> None:
    with refused("Account.open: Open has no field id, the aggregate's key"):

        @domain.aggregate(key="id")
        class Account:
            def open(self, command: Open) -> None: ...  # <- here


@pytest.mark.parametrize("hint", [UUID | None, str | None])
def test_an_aggregate_whose_key_may_be_none(domain: Domain, hint: Any) -> None:
    with refused("Account.close: the key Close.account_id cannot be None"):

        @domain.command
        class Close:
            account_id: hint

        @domain.aggregate(key="account_id")
        class Account:
            def close(self, command: Close) -> None: ...  # <- here


@pytest.mark.parametrize("hint", [float, Decimal, bool, Colour, tuple[int, ...], Opened])
def test_an_aggregate_whose_key_has_more_than_one_text_or_none(domain: Domain, hint: Any) -> None:
    with refused("the key Close.account_id must be a UUID, str, int, BigInt or date"):

        @domain.command
        class Close:
            account_id: hint

        @domain.aggregate(key="account_id")
        class Account:
            def close(self, command: Close) -> None: ...  # <- here


def test_an_aggregate_that_decides_a_command_twice(domain: Domain) -> None:
    with refused("Account.again: another method already handles Open;"):

        @domain.aggregate(key="account_id")
        class Account:
            def open(self, command: Open) -> None: ...

            def again(self, command: Open) -> None: ...  # <- here


def test_an_aggregate_that_evolves_by_an_event_twice(domain: Domain) -> None:
    with refused("Account.again: another method already handles Opened;"):

        @domain.aggregate(key="account_id")
        class Account:
            def was_opened(self, event: Opened) -> Any: ...

            def again(self, event: Opened) -> Any: ...  # <- here


def test_an_aggregate_with_an_async_method(domain: Domain) -> None:
    with refused("Account.open is async; domain code must be synchronous"):

        @domain.aggregate(key="account_id")
        class Account:
            async def open(self, command: Open) -> None: ...  # <- here


def test_an_aggregate_with_an_async_generator(domain: Domain) -> None:
    with refused("Account.open is async; domain code must be synchronous"):

        @domain.aggregate(key="account_id")
        class Account:
            async def open(self, command: Open) -> Any:  # <- here
                yield Opened(command.account_id)


def test_an_aggregate_with_a_parameter_that_is_not_annotated(domain: Domain) -> None:
    with refused("Account.open: annotate command with its type"):

        @domain.aggregate(key="account_id")
        class Account:
            def open(self, command) -> None: ...  # type: ignore[no-untyped-def] # <- here


def test_an_aggregate_with_an_annotation_that_names_nothing(domain: Domain) -> None:
    with refused("Account.close: name 'Close' is not defined"):

        @domain.aggregate(key="account_id")
        class Account:
            def close(self, command: "Close") -> None: ...  # type: ignore[name-defined] # noqa: F821 # <- here


def test_an_aggregate_with_an_annotation_that_cannot_be_read(domain: Domain) -> None:
    with refused("Account.close: "):

        @domain.aggregate(key="account_id")
        class Account:
            def close(self, command: Any) -> None: ...  # <- here

            close.__annotations__["command"] = "1 / 0"


def test_an_aggregate_with_a_method_that_is_not_called_on_the_state(domain: Domain) -> None:
    with refused("Account.open must be a plain method: its self is the state"):

        @domain.aggregate(key="account_id")
        class Account:
            @classmethod  # <- here
            def open(cls, command: Open) -> None: ...

    with refused("Vault.was_opened must be a plain method: its self is the state"):

        @domain.aggregate(key="account_id")
        class Vault:
            @staticmethod  # <- here
            def was_opened(event: Opened) -> Any: ...


@pytest.mark.parametrize("second", [int, UUID, CommandContext | None])
def test_an_aggregate_with_a_decider_that_asks_for_more_than_there_is(domain: Domain, second: Any) -> None:
    with refused("Account.open must take the command and at most a CommandContext"):

        @domain.aggregate(key="account_id")
        class Account:
            def open(self, command: Open, context: second) -> None: ...  # <- here


def test_an_aggregate_with_an_evolver_that_asks_for_more_than_the_event(domain: Domain) -> None:
    with refused("Account.was_opened must take the event and nothing else"):

        @domain.aggregate(key="account_id")
        class Account:
            def was_opened(self, event: Opened, context: CommandContext) -> Any: ...  # <- here


def test_an_aggregate_that_decides_or_evolves_what_another_does(domain: Domain) -> None:
    add_account(domain)
    with refused("Opened already belongs to the aggregate Account"):

        @domain.aggregate(key="account_id")  # <- here
        class Vault:
            def was_opened(self, event: Opened) -> Any: ...

    with refused("Open already belongs to the aggregate Account"):

        @domain.aggregate(key="account_id")  # <- here
        class Safe:
            def open(self, command: Open) -> None: ...


def test_an_aggregate_of_a_name_that_is_taken(domain: Domain) -> None:
    add_account(domain)
    with refused("the aggregate name account is taken"):

        @domain.aggregate(key="account_id")  # <- here
        class Account:
            pass

    with refused("the aggregate name reaction is taken"):

        @domain.aggregate(key="account_id")  # <- here
        class Reaction:
            pass
