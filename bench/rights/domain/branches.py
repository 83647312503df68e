"""A domain with 50 rules if BENCH_RULES is set, and else without one. An earlier build loads it too.

Its accounts have the names and fields of the bank's, so that the clients of the other benchmarks can send to
them and check what comes. Beside them it has eight kinds of things, each with a rule of each kind.
"""

# No `from __future__ import annotations`: the types of fields are made here.

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from commander import Doc, Domain

RULED = bool(os.environ.get("BENCH_RULES"))
OTHERS = ("Badge", "Branch", "Desk", "Key", "Lamp", "Room", "Safe", "Visit")
AUDITORS = frozenset({"auditor"})

bank = Domain("bank")
hidden: Any = Doc("For auditors.")


def rules(**given: Any) -> dict[str, Any]:
    """Arguments of a decorator; none without rules."""
    return {name: made() for name, made in given.items()} if RULED else {}


def named(name: str) -> Callable[[type], type]:
    def rename(cls: type) -> type:
        cls.__name__ = cls.__qualname__ = name
        return cls

    return rename


def owns(viewer: Any, command: object, account: "Account") -> bool:
    return viewer.subject is not None and account.owner == viewer.subject


def names_itself(viewer: Any, command: Any) -> bool:
    return viewer.subject is not None and command.owner == viewer.subject


if RULED:
    from commander import Viewer, Visible, any_of, where

    hidden = Visible(AUDITORS)

    @dataclass(frozen=True)
    class Member:
        """Who asks. branch: where they work."""

        subject: str | None
        branch: str

    @bank.viewer
    def member(viewer: Viewer) -> Member:
        return Member(viewer.subject, str(viewer.claims.get("branch", "")))


def auditors_or(rule: Callable[..., Any]) -> Callable[[], object]:
    return lambda: any_of(AUDITORS, rule)


def not_withheld(viewer: Any) -> object:
    """What is not withheld from the viewer's branch."""
    return ~where(withheld_from=viewer.branch)


def own(viewer: Any) -> object:
    return where(owner=viewer.subject)


@bank.command(**rules(allow=auditors_or(names_itself)))
@dataclass(frozen=True)
class OpenAccount:
    owner: str
    account_id: UUID


@bank.command(**rules(allow=auditors_or(owns)))
@dataclass(frozen=True)
class Deposit:
    account_id: UUID
    amount: Decimal


@bank.command(**rules(allow=auditors_or(owns)))
@dataclass(frozen=True)
class Withdraw:
    account_id: UUID
    amount: Decimal


@bank.event(**rules(visible=auditors_or(own)))
@dataclass(frozen=True)
class AccountOpened:
    account_id: UUID
    owner: str
    seen_by: Annotated[str | None, hidden] = None


@bank.event(**rules(visible=auditors_or(not_withheld)))
@dataclass(frozen=True)
class MoneyDeposited:
    account_id: UUID
    amount: Decimal
    transfer_id: UUID | None = None
    withheld_from: str | None = None
    counted_by: Annotated[str | None, hidden] = None


@bank.event(**rules(visible=auditors_or(not_withheld)))
@dataclass(frozen=True)
class MoneyWithdrawn:
    account_id: UUID
    amount: Decimal
    withheld_from: str | None = None


@bank.aggregate(key="account_id")
@dataclass(frozen=True)
class Account:
    owner: str | None = None
    balance: Decimal = Decimal(0)

    def open(self, command: OpenAccount) -> AccountOpened:
        return AccountOpened(command.account_id, command.owner)

    def deposit(self, command: Deposit) -> MoneyDeposited:
        return MoneyDeposited(command.account_id, command.amount)

    def withdraw(self, command: Withdraw) -> MoneyWithdrawn:
        return MoneyWithdrawn(command.account_id, command.amount)

    def opened(self, event: AccountOpened) -> "Account":
        return replace(self, owner=event.owner)

    def deposited(self, event: MoneyDeposited) -> "Account":
        return replace(self, balance=self.balance + event.amount)

    def withdrawn(self, event: MoneyWithdrawn) -> "Account":
        return replace(self, balance=self.balance - event.amount)


@bank.projection("account", key="account_id", indexes=("owner",), **rules(visible=auditors_or(own)))
@dataclass(frozen=True)
class AccountRow:
    account_id: UUID
    owner: str
    balance: Decimal = Decimal(0)
    note: Annotated[str | None, hidden] = None

    @classmethod
    def opened(cls, event: AccountOpened) -> "AccountRow":
        return cls(event.account_id, event.owner)

    def deposited(self, event: MoneyDeposited) -> "AccountRow":
        return replace(self, balance=self.balance + event.amount)


def add_kind(kind: str) -> None:
    """A command, an event and a row, each with a rule, and a hidden field of the event and of the row."""

    @bank.command(**rules(allow=auditors_or(names_itself)))
    @dataclass(frozen=True)
    @named(f"Make{kind}")
    class Make:
        thing_id: UUID
        owner: str

    @bank.event(**rules(visible=auditors_or(own)))
    @dataclass(frozen=True)
    @named(f"{kind}Made")
    class Made:
        thing_id: UUID
        owner: str
        note: Annotated[str | None, hidden] = None

    @named(kind)
    class Thing:
        def make(self, command: Make) -> Made:
            return Made(command.thing_id, command.owner)

        def made(self, event: Made) -> Any:
            return self

    @named(f"{kind}Row")
    class ThingRow:
        thing_id: UUID
        owner: str
        note: Annotated[str | None, hidden] = None

        @classmethod
        def made(cls, event: Made) -> Any:
            return cls(event.thing_id, event.owner)  # type: ignore[call-arg]  # it becomes a dataclass

    Thing.made.__annotations__["return"] = Thing
    ThingRow.made.__func__.__annotations__["return"] = ThingRow  # type: ignore[attr-defined]
    bank.aggregate(key="thing_id")(dataclass(frozen=True)(Thing))
    visible = rules(visible=auditors_or(own))
    bank.projection(kind.lower(), key="thing_id", indexes=("owner",), **visible)(
        dataclass(frozen=True)(ThingRow)
    )


for one in OTHERS:
    add_kind(one)
