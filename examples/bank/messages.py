"""The commands and events of the bank, and who may send and see them (rules.py)."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from commander import Doc, Domain, Gt, Le, Len, Predicate, any_of, new_id, same_as
from commander.examples.bank.rules import TELLERS, names_itself, own, owns_account, paid, pays_itself

bank = Domain("bank")


def whole_cents(amount: Decimal) -> bool:
    return amount == amount.quantize(Decimal("0.01"))


AccountId = Annotated[UUID, Doc("The id of the account.")]
SourceId = Annotated[UUID, Doc("The id of the account that the money leaves.")]
TargetId = Annotated[UUID, Doc("The id of the account that the money goes to.")]
TransferId = Annotated[UUID, Doc("The id of the transfer.")]
Money = Annotated[Decimal, Doc("The amount of money.")]
Amount = Annotated[Money, Gt(0), Le(Decimal("1000000000")), Predicate(whole_cents)]
Owner = Annotated[str, Doc("The name of the owner.")]
Payer = Annotated[
    str | None, Doc("In whose name the money moves: the source must be theirs. Null: it may be anyone's.")
]
Reason = Annotated[str, Doc("The code with which an account rejected the transfer.")]


@bank.command(allow=any_of(TELLERS, names_itself))
@dataclass(frozen=True)
class OpenAccount:
    """Open an account. Leave out the id to have one made."""

    owner: Annotated[Owner, Len(1, 200)]
    account_id: AccountId = new_id()


@bank.command(allow=any_of(TELLERS, owns_account))
@dataclass(frozen=True)
class Deposit:
    """Put money into an account."""

    account_id: AccountId
    amount: Amount


@bank.command(allow=owns_account)
@dataclass(frozen=True)
class Withdraw:
    """Take money out of an account."""

    account_id: AccountId
    amount: Amount


@bank.command(allow=owns_account)
@dataclass(frozen=True)
class CloseAccount:
    """Close an account for good; its balance must be zero."""

    account_id: AccountId


@bank.command(allow=pays_itself)
@dataclass(frozen=True)
class RequestTransfer:
    """Move money between accounts: withdraw, deposit, and give it back when the deposit is refused.

    If the money has not left the source after five minutes, the transfer expires.
    """

    source_id: SourceId
    target_id: TargetId
    amount: Amount
    transfer_id: TransferId = new_id()
    payer: Payer = None


# Internal commands: only the transfers process sends them.


@bank.command(internal=True)
@dataclass(frozen=True)
class WithdrawForTransfer:
    """Take the money of a transfer out of its source."""

    account_id: AccountId
    amount: Money
    transfer_id: TransferId
    payer: Payer = None


@bank.command(internal=True)
@dataclass(frozen=True)
class DepositFromTransfer:
    """Put the money of a transfer into its target."""

    account_id: AccountId
    amount: Money
    transfer_id: TransferId


@bank.command(internal=True)
@dataclass(frozen=True)
class ReturnFromTransfer:
    """Give the money of a refused transfer back to its source; this is never refused."""

    account_id: AccountId
    amount: Money
    transfer_id: TransferId


@bank.command(internal=True)
@dataclass(frozen=True)
class RecordWithdrawal:
    """Record that the money of a transfer has left the source."""

    transfer_id: TransferId


@bank.command(internal=True)
@dataclass(frozen=True)
class RecordDeposit:
    """Record that the money of a transfer has arrived at the target."""

    transfer_id: TransferId


@bank.command(internal=True)
@dataclass(frozen=True)
class RecordRefusal:
    """Record that the source or the target of a transfer rejected it."""

    transfer_id: TransferId
    reason: Reason


@bank.command(internal=True)
@dataclass(frozen=True)
class ExpireTransfer:
    """Record that the withdrawal of a transfer did not happen in time."""

    transfer_id: TransferId


@bank.command(internal=True)
@dataclass(frozen=True)
class RecordReturn:
    """Record that the money of a refused transfer is back at the source."""

    transfer_id: TransferId


@bank.event(visible=any_of(TELLERS, own))
@dataclass(frozen=True)
class AccountOpened:
    """An account was opened."""

    account_id: AccountId
    owner: Owner


@bank.event(visible=same_as("account"))
@dataclass(frozen=True)
class MoneyDeposited:
    """Money was put into an account."""

    account_id: AccountId
    amount: Money
    transfer_id: TransferId | None = None


@bank.event(visible=same_as("account"))
@dataclass(frozen=True)
class MoneyWithdrawn:
    """Money was taken out of an account."""

    account_id: AccountId
    amount: Money
    transfer_id: TransferId | None = None


@bank.event(visible=same_as("account"))
@dataclass(frozen=True)
class MoneyReturned:
    """The money of a refused transfer came back; an account closed meanwhile is open again."""

    account_id: AccountId
    amount: Money
    transfer_id: TransferId


@bank.event(visible=same_as("account"))
@dataclass(frozen=True)
class AccountClosed:
    """An account was closed for good."""

    account_id: AccountId


@bank.event(visible=any_of(TELLERS, paid))
@dataclass(frozen=True)
class TransferRequested:
    """A transfer began; the money has not moved yet."""

    transfer_id: TransferId
    source_id: SourceId
    target_id: TargetId
    amount: Money
    payer: Payer = None


@bank.event(visible=same_as("transfer"))
@dataclass(frozen=True)
class TransferWithdrawn:
    """The money has left the source and is on its way to the target."""

    transfer_id: TransferId
    target_id: TargetId
    amount: Money


@bank.event(visible=same_as("transfer"))
@dataclass(frozen=True)
class TransferCompleted:
    """The money has arrived at the target."""

    transfer_id: TransferId


@bank.event(visible=same_as("transfer"))
@dataclass(frozen=True)
class TransferRefused:
    """The source refused the withdrawal; no money moved."""

    transfer_id: TransferId
    reason: Reason


@bank.event(visible=same_as("transfer"))
@dataclass(frozen=True)
class TransferExpired:
    """The money did not leave the source in time; if it does after all, it goes back."""

    transfer_id: TransferId


@bank.event(visible=same_as("transfer"))
@dataclass(frozen=True)
class TransferReturning:
    """The target refused the deposit, or it came too late; the money is on its way back to the source."""

    transfer_id: TransferId
    source_id: SourceId
    amount: Money
    reason: Reason


@bank.event(visible=same_as("transfer"))
@dataclass(frozen=True)
class TransferReturned:
    """The money is back at the source."""

    transfer_id: TransferId
