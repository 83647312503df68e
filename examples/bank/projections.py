"""The tables that clients of the bank query."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Annotated

from commander import Ref, any_of
from commander.examples.bank.messages import (
    AccountClosed,
    AccountId,
    AccountOpened,
    Money,
    MoneyDeposited,
    MoneyReturned,
    MoneyWithdrawn,
    Owner,
    Payer,
    SourceId,
    TargetId,
    TransferCompleted,
    TransferExpired,
    TransferId,
    TransferRefused,
    TransferRequested,
    TransferReturned,
    TransferReturning,
    TransferWithdrawn,
    bank,
)
from commander.examples.bank.rules import TELLERS, own, paid
from commander.examples.bank.transfers import TransferStatus


@bank.projection(
    "account",
    key="account_id",
    indexes=("owner", "balance"),
    filterable=("closed",),
    visible=any_of(TELLERS, own),
)
@dataclass(frozen=True)
class AccountRow:
    """An account as it stands."""

    account_id: AccountId
    owner: Owner
    balance: Decimal = Decimal("0.00")
    """The money in the account."""
    closed: bool = False
    """Whether it is closed for good."""

    @classmethod
    def opened(cls, event: AccountOpened) -> AccountRow:
        return cls(event.account_id, event.owner)

    def deposited(self, event: MoneyDeposited) -> AccountRow:
        return replace(self, balance=self.balance + event.amount)

    def withdrawn(self, event: MoneyWithdrawn) -> AccountRow:
        return replace(self, balance=self.balance - event.amount)

    def returned(self, event: MoneyReturned) -> AccountRow:
        return replace(self, balance=self.balance + event.amount, closed=False)

    def closing(self, event: AccountClosed) -> AccountRow:
        return replace(self, closed=True)


@bank.projection(
    "transfer",
    key="transfer_id",
    indexes=("payer",),
    filterable=("status",),
    visible=any_of(TELLERS, paid),
)
@dataclass(frozen=True)
class TransferRow:
    """A transfer as it stands."""

    transfer_id: TransferId
    source_id: Annotated[SourceId, Ref("account", reverse="outgoing")]
    target_id: Annotated[TargetId, Ref("account", reverse="incoming")]
    amount: Money
    status: TransferStatus = TransferStatus.REQUESTED
    """How far it has come."""
    reason: str | None = None
    """The code with which an account rejected it, or EXPIRED. Null unless that happened."""
    payer: Payer = None

    @classmethod
    def requested(cls, event: TransferRequested) -> TransferRow:
        return cls(event.transfer_id, event.source_id, event.target_id, event.amount, payer=event.payer)

    def withdrawn(self, event: TransferWithdrawn) -> TransferRow:
        return replace(self, status=TransferStatus.WITHDRAWN)

    def completed(self, event: TransferCompleted) -> TransferRow:
        return replace(self, status=TransferStatus.COMPLETED)

    def expired(self, event: TransferExpired) -> TransferRow:
        return replace(self, status=TransferStatus.EXPIRED, reason="EXPIRED")

    def refused(self, event: TransferRefused) -> TransferRow:
        return replace(self, status=TransferStatus.REFUSED, reason=event.reason)

    def returning(self, event: TransferReturning) -> TransferRow:
        return replace(self, status=TransferStatus.RETURNING, reason=event.reason)

    def gave_back(self, event: TransferReturned) -> TransferRow:
        return replace(self, status=TransferStatus.RETURNED)
