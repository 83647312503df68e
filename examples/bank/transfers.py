"""Transfers: an aggregate that keeps where each one stands, and a reactor that moves the money.

The reactor only translates, event to command; what may follow what is the aggregate's to decide:

    REQUESTED ─► WITHDRAWN ─► COMPLETED
        │            └──────► RETURNING ─► RETURNED     the target refused
        └───────────────────► REFUSED                   the source refused
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum
from uuid import UUID

from commander import ReactionRejected, Rejected
from examples.bank.messages import (
    DepositFromTransfer,
    MoneyDeposited,
    MoneyReturned,
    MoneyWithdrawn,
    RecordDeposit,
    RecordRefusal,
    RecordReturn,
    RecordWithdrawal,
    RequestTransfer,
    ReturnFromTransfer,
    TransferCompleted,
    TransferRefused,
    TransferRequested,
    TransferReturned,
    TransferReturning,
    TransferWithdrawn,
    WithdrawForTransfer,
    bank,
)


class TransferStatus(Enum):
    """Where a transfer stands."""

    REQUESTED = "REQUESTED"
    WITHDRAWN = "WITHDRAWN"
    COMPLETED = "COMPLETED"
    REFUSED = "REFUSED"
    RETURNING = "RETURNING"
    RETURNED = "RETURNED"


@bank.aggregate(key="transfer_id")
@dataclass(frozen=True)
class Transfer:
    status: TransferStatus | None = None
    source_id: UUID = UUID(int=0)
    target_id: UUID = UUID(int=0)
    amount: Decimal = Decimal(0)

    def request(self, command: RequestTransfer) -> TransferRequested:
        if self.status is not None:
            raise Rejected("TRANSFER_EXISTS", f"transfer {command.transfer_id} was requested before")
        if command.source_id == command.target_id:
            raise Rejected("SAME_ACCOUNT", "a transfer needs two accounts")
        return TransferRequested(command.transfer_id, command.source_id, command.target_id, command.amount)

    def record_withdrawal(self, command: RecordWithdrawal) -> TransferWithdrawn:
        self._must_be(TransferStatus.REQUESTED)
        return TransferWithdrawn(command.transfer_id, self.target_id, self.amount)

    def record_deposit(self, command: RecordDeposit) -> TransferCompleted:
        self._must_be(TransferStatus.WITHDRAWN)
        return TransferCompleted(command.transfer_id)

    def record_refusal(self, command: RecordRefusal) -> TransferRefused | TransferReturning:
        if self.status is TransferStatus.REQUESTED:
            return TransferRefused(command.transfer_id, command.reason)
        self._must_be(TransferStatus.WITHDRAWN)
        return TransferReturning(command.transfer_id, self.source_id, self.amount, command.reason)

    def record_return(self, command: RecordReturn) -> TransferReturned:
        self._must_be(TransferStatus.RETURNING)
        return TransferReturned(command.transfer_id)

    def requested(self, event: TransferRequested) -> Transfer:
        return Transfer(TransferStatus.REQUESTED, event.source_id, event.target_id, event.amount)

    def withdrawn(self, event: TransferWithdrawn) -> Transfer:
        return replace(self, status=TransferStatus.WITHDRAWN)

    def completed(self, event: TransferCompleted) -> Transfer:
        return replace(self, status=TransferStatus.COMPLETED)

    def refused(self, event: TransferRefused) -> Transfer:
        return replace(self, status=TransferStatus.REFUSED)

    def returning(self, event: TransferReturning) -> Transfer:
        return replace(self, status=TransferStatus.RETURNING)

    def returned(self, event: TransferReturned) -> Transfer:
        return replace(self, status=TransferStatus.RETURNED)

    def _must_be(self, status: TransferStatus) -> None:
        if self.status is not status:
            raise Rejected("WRONG_STATUS", f"the transfer is {self.status}, not {status}")


@bank.reactor
class Transfers:
    """Moves the money of each transfer, and gives it back when the target refuses it."""

    def requested(self, event: TransferRequested) -> WithdrawForTransfer:
        return WithdrawForTransfer(event.source_id, event.amount, event.transfer_id)

    def withdrawn(self, event: MoneyWithdrawn) -> RecordWithdrawal | None:
        return RecordWithdrawal(event.transfer_id) if event.transfer_id else None

    def withdrawal_refused(self, refusal: ReactionRejected[WithdrawForTransfer]) -> RecordRefusal:
        return RecordRefusal(refusal.command.transfer_id, refusal.code)

    def on_its_way(self, event: TransferWithdrawn) -> DepositFromTransfer:
        return DepositFromTransfer(event.target_id, event.amount, event.transfer_id)

    def deposited(self, event: MoneyDeposited) -> RecordDeposit | None:
        return RecordDeposit(event.transfer_id) if event.transfer_id else None

    def deposit_refused(self, refusal: ReactionRejected[DepositFromTransfer]) -> RecordRefusal:
        return RecordRefusal(refusal.command.transfer_id, refusal.code)

    def returning(self, event: TransferReturning) -> ReturnFromTransfer:
        return ReturnFromTransfer(event.source_id, event.amount, event.transfer_id)

    def returned(self, event: MoneyReturned) -> RecordReturn:
        return RecordReturn(event.transfer_id)
