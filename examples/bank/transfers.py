"""Transfers: an aggregate with the status of each transfer, and a process that moves the money.

The process has the two accounts and sends the next command. The aggregate decides which status may follow
which, because an answer and a deadline may cross:

    REQUESTED ─► WITHDRAWN ─► COMPLETED
     │  │            └──────► RETURNING ─► RETURNED     the target rejected the deposit
     │  └───────────────────► REFUSED                   the source rejected the withdrawal
     └─► EXPIRED ───────────► RETURNING or REFUSED      the source answered after the deadline
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from uuid import UUID

from commander import Deadline, ReactionRejected, Rejected
from commander.examples.bank.messages import (
    DepositFromTransfer,
    ExpireTransfer,
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
    TransferExpired,
    TransferRefused,
    TransferRequested,
    TransferReturned,
    TransferReturning,
    TransferWithdrawn,
    WithdrawForTransfer,
    bank,
)

PATIENCE = timedelta(minutes=5)
"""The time that the source has to answer."""


class TransferStatus(Enum):
    """The status of a transfer."""

    REQUESTED = "REQUESTED"
    """The money has not moved yet."""
    WITHDRAWN = "WITHDRAWN"
    """The money has left the source."""
    COMPLETED = "COMPLETED"
    """The money has arrived at the target."""
    REFUSED = "REFUSED"
    """The source refused the withdrawal. No money moved."""
    EXPIRED = "EXPIRED"
    """The money did not leave the source in time."""
    RETURNING = "RETURNING"
    """The target refused the deposit, or it came too late. The money is on its way back."""
    RETURNED = "RETURNED"
    """The money is back at the source."""


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
        return TransferRequested(
            command.transfer_id, command.source_id, command.target_id, command.amount, command.payer
        )

    def record_withdrawal(self, command: RecordWithdrawal) -> TransferWithdrawn | TransferReturning:
        if self.status is TransferStatus.EXPIRED:
            return TransferReturning(command.transfer_id, self.source_id, self.amount, "EXPIRED")
        self._must_be(TransferStatus.REQUESTED)
        return TransferWithdrawn(command.transfer_id, self.target_id, self.amount)

    def record_deposit(self, command: RecordDeposit) -> TransferCompleted:
        self._must_be(TransferStatus.WITHDRAWN)
        return TransferCompleted(command.transfer_id)

    def record_refusal(self, command: RecordRefusal) -> TransferRefused | TransferReturning:
        if self.status in (TransferStatus.REQUESTED, TransferStatus.EXPIRED):
            return TransferRefused(command.transfer_id, command.reason)
        self._must_be(TransferStatus.WITHDRAWN)
        return TransferReturning(command.transfer_id, self.source_id, self.amount, command.reason)

    def expire(self, command: ExpireTransfer) -> TransferExpired:
        self._must_be(TransferStatus.REQUESTED)
        return TransferExpired(command.transfer_id)

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

    def expired(self, event: TransferExpired) -> Transfer:
        return replace(self, status=TransferStatus.EXPIRED)

    def returning(self, event: TransferReturning) -> Transfer:
        return replace(self, status=TransferStatus.RETURNING)

    def returned(self, event: TransferReturned) -> Transfer:
        return replace(self, status=TransferStatus.RETURNED)

    def _must_be(self, status: TransferStatus) -> None:
        if self.status is not status:
            raise Rejected("WRONG_STATUS", f"the transfer is {self.status}, not {status}")


@bank.process(
    key="transfer_id",
    starts=(TransferRequested,),
    ends=(TransferCompleted, TransferRefused, TransferReturned),
)
@dataclass(frozen=True)
class Transfers:
    """Moves the money of each transfer, and gives it back when the target refuses it or it comes too late."""

    source_id: UUID = UUID(int=0)
    target_id: UUID = UUID(int=0)
    amount: Decimal = Decimal(0)

    def requested(self, event: TransferRequested) -> tuple[Transfers, WithdrawForTransfer, Deadline]:
        return (
            Transfers(event.source_id, event.target_id, event.amount),
            WithdrawForTransfer(event.source_id, event.amount, event.transfer_id, event.payer),
            Deadline(ExpireTransfer(event.transfer_id), after=PATIENCE),
        )

    def withdrawn(self, event: MoneyWithdrawn) -> RecordWithdrawal | None:
        return RecordWithdrawal(event.transfer_id) if event.transfer_id else None

    def withdrawal_refused(self, refusal: ReactionRejected[WithdrawForTransfer]) -> RecordRefusal:
        return RecordRefusal(refusal.command.transfer_id, refusal.code)

    def on_its_way(self, event: TransferWithdrawn) -> DepositFromTransfer:
        return DepositFromTransfer(self.target_id, self.amount, event.transfer_id)

    def deposited(self, event: MoneyDeposited) -> RecordDeposit | None:
        return RecordDeposit(event.transfer_id) if event.transfer_id else None

    def deposit_refused(self, refusal: ReactionRejected[DepositFromTransfer]) -> RecordRefusal:
        return RecordRefusal(refusal.command.transfer_id, refusal.code)

    def returning(self, event: TransferReturning) -> ReturnFromTransfer:
        return ReturnFromTransfer(self.source_id, self.amount, event.transfer_id)

    def returned(self, event: MoneyReturned) -> RecordReturn:
        return RecordReturn(event.transfer_id)
