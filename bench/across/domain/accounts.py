"""Accounts, and transfers between two of them: a decider over two streams.

An event has the balance after it, so that the log shows whether each decision has seen the event before.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from commander import Domain, Rejected

bank = Domain("bank")


@bank.command
@dataclass(frozen=True)
class Open:
    account_id: UUID
    cents: int


@bank.command
@dataclass(frozen=True)
class Transfer:
    from_id: UUID
    to_id: UUID
    cents: int


@bank.event
@dataclass(frozen=True)
class Opened:
    account_id: UUID
    cents: int
    balance: int


@bank.event
@dataclass(frozen=True)
class Moved:
    """cents: below zero for what leaves the account."""

    account_id: UUID
    cents: int
    balance: int


@bank.aggregate(key="account_id")
@dataclass(frozen=True)
class Account:
    balance: int = 0

    def open(self, command: Open) -> Opened:
        return Opened(command.account_id, command.cents, command.cents)

    def opened(self, event: Opened) -> Account:
        return Account(self.balance + event.cents)

    def moved(self, event: Moved) -> Account:
        return Account(self.balance + event.cents)


@bank.decider(source="from_id", target="to_id")
def transfer(command: Transfer, source: Account, target: Account) -> tuple[Moved, Moved]:
    if command.cents > source.balance:
        raise Rejected("INSUFFICIENT_FUNDS", "the balance is too low")
    return (
        Moved(command.from_id, -command.cents, source.balance - command.cents),
        Moved(command.to_id, command.cents, target.balance + command.cents),
    )
