"""The Account aggregate: the rules for deposits and withdrawals.

The guards need only the account. So the field `availableCommands` of an account asks them, too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from commander import Rejected, guards
from commander.examples.bank.messages import (
    AccountClosed,
    AccountOpened,
    CloseAccount,
    Deposit,
    DepositFromTransfer,
    MoneyDeposited,
    MoneyReturned,
    MoneyWithdrawn,
    OpenAccount,
    ReturnFromTransfer,
    Withdraw,
    WithdrawForTransfer,
    bank,
)


@bank.aggregate(key="account_id")
@dataclass(frozen=True)
class Account:
    opened: bool = False
    closed: bool = False
    balance: Decimal = Decimal("0.00")
    owner: str | None = None

    @guards(OpenAccount)
    def is_new(self) -> None:
        if self.opened:
            raise Rejected("ACCOUNT_EXISTS", "the account was opened before")

    @guards(Deposit, Withdraw, DepositFromTransfer, CloseAccount)
    def is_open(self) -> None:
        if not self.opened:
            raise Rejected("ACCOUNT_NOT_FOUND", "there is no such account")
        if self.closed:
            raise Rejected("ACCOUNT_CLOSED", "the account is closed")

    @guards(CloseAccount)
    def is_empty(self) -> None:
        if self.balance:
            raise Rejected("BALANCE_NOT_ZERO", f"the balance is {self.balance}")

    def open(self, command: OpenAccount) -> AccountOpened:
        return AccountOpened(command.account_id, command.owner)

    def deposit(self, command: Deposit) -> MoneyDeposited:
        return MoneyDeposited(command.account_id, command.amount)

    def withdraw(self, command: Withdraw) -> MoneyWithdrawn:
        self._must_hold(command.amount)
        return MoneyWithdrawn(command.account_id, command.amount)

    def withdraw_for_transfer(self, command: WithdrawForTransfer) -> MoneyWithdrawn:
        if command.payer not in (None, self.owner):  # the same answer as for an account that is not there
            raise Rejected("ACCOUNT_NOT_FOUND", f"{command.payer} has no account {command.account_id}")
        self.is_open()
        self._must_hold(command.amount)
        return MoneyWithdrawn(command.account_id, command.amount, command.transfer_id)

    def deposit_from_transfer(self, command: DepositFromTransfer) -> MoneyDeposited:
        return MoneyDeposited(command.account_id, command.amount, command.transfer_id)

    def return_from_transfer(self, command: ReturnFromTransfer) -> MoneyReturned:
        return MoneyReturned(command.account_id, command.amount, command.transfer_id)

    def close(self, command: CloseAccount) -> AccountClosed:
        return AccountClosed(command.account_id)

    def account_opened(self, event: AccountOpened) -> Account:
        return replace(self, opened=True, owner=event.owner)

    def money_deposited(self, event: MoneyDeposited) -> Account:
        return replace(self, balance=self.balance + event.amount)

    def money_withdrawn(self, event: MoneyWithdrawn) -> Account:
        return replace(self, balance=self.balance - event.amount)

    def money_returned(self, event: MoneyReturned) -> Account:
        return replace(self, balance=self.balance + event.amount, closed=False)

    def account_closed(self, event: AccountClosed) -> Account:
        return replace(self, closed=True)

    def _must_hold(self, amount: Decimal) -> None:
        if amount > self.balance:
            raise Rejected("INSUFFICIENT_FUNDS", f"the balance is {self.balance}, {amount} was asked for")
