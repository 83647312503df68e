"""The bank's rules, its transfers and what can be asked of it: without servers, as its author tests them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from commander import ReactionRejected, Rejected, Viewer
from commander.domain.unruled import unruled
from commander.examples.bank import bank
from commander.examples.bank.messages import (
    AccountClosed,
    AccountOpened,
    CloseAccount,
    Deposit,
    DepositFromTransfer,
    ExpireTransfer,
    MoneyDeposited,
    MoneyReturned,
    MoneyWithdrawn,
    OpenAccount,
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
    Withdraw,
    WithdrawForTransfer,
)
from commander.examples.bank.projections import AccountRow, TransferRow
from commander.examples.bank.transfers import TransferStatus
from commander.testing import Forbidden, ProcessGiven, can_see, given, process, rows

ADA, BOB, MOVE = UUID(int=1), UUID(int=2), UUID(int=3)
FIVE, TEN = Decimal("5.00"), Decimal("10.00")
OPENED = AccountOpened(ADA, "Ada")
CLOSED = AccountClosed(ADA)
FILLED = (OPENED, MoneyDeposited(ADA, TEN))
REQUESTED = TransferRequested(MOVE, ADA, BOB, FIVE)
WITHDRAWN = TransferWithdrawn(MOVE, BOB, FIVE)
RETURNING = TransferReturning(MOVE, ADA, FIVE, "ACCOUNT_CLOSED")


# --- Accounts


def test_an_account_is_opened_once() -> None:
    given().when(OpenAccount("Ada", ADA)).then(OPENED)
    given(OPENED).when(OpenAccount("Eve", ADA)).then(
        Rejected("ACCOUNT_EXISTS", "the account was opened before")
    )
    given(OPENED, CLOSED).when(OpenAccount("Ada", ADA)).then(Rejected("ACCOUNT_EXISTS"))


def test_an_owner_has_a_name_of_at_most_200_characters() -> None:
    given().when(OpenAccount("ü" * 200, ADA)).then(AccountOpened(ADA, "ü" * 200))
    for owner in ("", "a" * 201, "a\0"):
        given().when(OpenAccount(owner, ADA)).then_invalid("owner")


def test_money_is_deposited_and_withdrawn_to_the_last_cent() -> None:
    given(OPENED).when(Deposit(ADA, TEN)).then(MoneyDeposited(ADA, TEN))
    given(*FILLED).when(Withdraw(ADA, TEN)).then(MoneyWithdrawn(ADA, TEN))
    given(*FILLED, MoneyWithdrawn(ADA, FIVE)).when(Withdraw(ADA, FIVE)).then(MoneyWithdrawn(ADA, FIVE))


def test_nobody_withdraws_more_than_there_is() -> None:
    given(*FILLED).when(Withdraw(ADA, Decimal("10.01"))).then(
        Rejected("INSUFFICIENT_FUNDS", "the balance is 10.00, 10.01 was asked for")
    )
    given(OPENED).when(Withdraw(ADA, FIVE)).then(Rejected("INSUFFICIENT_FUNDS"))


AMOUNT_COMMANDS = {
    Deposit: lambda amount: Deposit(ADA, amount),
    Withdraw: lambda amount: Withdraw(ADA, amount),
    RequestTransfer: lambda amount: RequestTransfer(ADA, BOB, amount, MOVE),
}


@pytest.mark.parametrize("command", AMOUNT_COMMANDS.values(), ids=[c.__name__ for c in AMOUNT_COMMANDS])
@pytest.mark.parametrize(
    "amount", ["0", "-1", "0.001", "1000000000.01", "1E+50", "1E-50", "NaN", "Infinity", "-Infinity"]
)
def test_an_amount_is_positive_in_whole_cents_and_at_most_a_billion(command: Any, amount: str) -> None:
    given().when(command(Decimal(amount))).then_invalid("amount")


@pytest.mark.parametrize("amount", ["0.01", "1", "1.10", "1E+3", "1000000000.00"])
def test_an_amount_may_be_written_in_any_way(amount: str) -> None:
    given(OPENED).when(Deposit(ADA, Decimal(amount))).then(MoneyDeposited(ADA, Decimal(amount)))


ACCOUNT_COMMANDS = [
    Deposit(ADA, FIVE),
    Withdraw(ADA, FIVE),
    WithdrawForTransfer(ADA, FIVE, MOVE),
    DepositFromTransfer(ADA, FIVE, MOVE),
    CloseAccount(ADA),
]


@pytest.mark.parametrize("command", ACCOUNT_COMMANDS, ids=lambda command: type(command).__name__)
def test_nothing_happens_to_an_account_that_is_not_open(command: Any) -> None:
    given().when(command).then(Rejected("ACCOUNT_NOT_FOUND", "there is no such account"))
    given(OPENED, CLOSED).when(command).then(Rejected("ACCOUNT_CLOSED", "the account is closed"))


def test_only_an_empty_account_is_closed() -> None:
    given(OPENED).when(CloseAccount(ADA)).then(CLOSED)
    given(*FILLED, MoneyWithdrawn(ADA, TEN)).when(CloseAccount(ADA)).then(CLOSED)
    given(*FILLED).when(CloseAccount(ADA)).then(Rejected("BALANCE_NOT_ZERO", "the balance is 10.00"))


def test_returned_money_is_never_refused_and_opens_the_account_again() -> None:
    back = MoneyReturned(ADA, FIVE, MOVE)
    for history in ((OPENED,), (OPENED, CLOSED), ()):
        given(*history).when(ReturnFromTransfer(ADA, FIVE, MOVE)).then(back)
    given(OPENED, CLOSED, back).when(Withdraw(ADA, FIVE)).then(MoneyWithdrawn(ADA, FIVE))


# --- Transfers


def test_a_transfer_is_requested_once_between_two_accounts() -> None:
    given().when(RequestTransfer(ADA, BOB, FIVE, MOVE)).then(REQUESTED)
    given(REQUESTED).when(RequestTransfer(ADA, BOB, FIVE, MOVE)).then(Rejected("TRANSFER_EXISTS"))
    given().when(RequestTransfer(ADA, ADA, FIVE, MOVE)).then(Rejected("SAME_ACCOUNT"))


HISTORIES = {
    None: (),
    TransferStatus.REQUESTED: (REQUESTED,),
    TransferStatus.WITHDRAWN: (REQUESTED, WITHDRAWN),
    TransferStatus.COMPLETED: (REQUESTED, WITHDRAWN, TransferCompleted(MOVE)),
    TransferStatus.REFUSED: (REQUESTED, TransferRefused(MOVE, "INSUFFICIENT_FUNDS")),
    TransferStatus.EXPIRED: (REQUESTED, TransferExpired(MOVE)),
    TransferStatus.RETURNING: (REQUESTED, WITHDRAWN, RETURNING),
    TransferStatus.RETURNED: (REQUESTED, WITHDRAWN, RETURNING, TransferReturned(MOVE)),
}
STEPS = {
    (TransferStatus.REQUESTED, RecordWithdrawal): WITHDRAWN,
    (TransferStatus.REQUESTED, RecordRefusal): TransferRefused(MOVE, "ACCOUNT_CLOSED"),
    (TransferStatus.REQUESTED, ExpireTransfer): TransferExpired(MOVE),
    (TransferStatus.EXPIRED, RecordWithdrawal): TransferReturning(MOVE, ADA, FIVE, "EXPIRED"),
    (TransferStatus.EXPIRED, RecordRefusal): TransferRefused(MOVE, "ACCOUNT_CLOSED"),
    (TransferStatus.WITHDRAWN, RecordDeposit): TransferCompleted(MOVE),
    (TransferStatus.WITHDRAWN, RecordRefusal): RETURNING,
    (TransferStatus.RETURNING, RecordReturn): TransferReturned(MOVE),
}


@pytest.mark.parametrize(
    "command",
    [
        RecordWithdrawal(MOVE),
        RecordDeposit(MOVE),
        RecordRefusal(MOVE, "ACCOUNT_CLOSED"),
        RecordReturn(MOVE),
        ExpireTransfer(MOVE),
    ],
    ids=lambda command: type(command).__name__,
)
@pytest.mark.parametrize("status", HISTORIES)
def test_a_transfer_takes_the_steps_of_its_picture_and_no_other(
    status: TransferStatus | None, command: Any
) -> None:
    step = STEPS.get((status, type(command))) if status else None
    given(*HISTORIES[status]).when(command).then(step if step is not None else Rejected("WRONG_STATUS"))


# --- The process of a transfer

MOVING = (REQUESTED, MoneyWithdrawn(ADA, FIVE, MOVE), WITHDRAWN)
REFUSAL = ReactionRejected(DepositFromTransfer(BOB, FIVE, MOVE), "ACCOUNT_CLOSED", "")


def transfers(*happened: Any) -> ProcessGiven:
    return process(bank, "transfers").given(*happened)


def test_the_process_moves_the_money_from_the_source_to_the_target() -> None:
    transfers().when(REQUESTED).then(WithdrawForTransfer(ADA, FIVE, MOVE))
    transfers(REQUESTED).when(MoneyWithdrawn(ADA, FIVE, MOVE)).then(RecordWithdrawal(MOVE))
    transfers(*MOVING[:2]).when(WITHDRAWN).then(DepositFromTransfer(BOB, FIVE, MOVE))
    transfers(*MOVING).when(MoneyDeposited(BOB, FIVE, MOVE)).then(RecordDeposit(MOVE))
    transfers(*MOVING).when(TransferCompleted(MOVE)).then().then_ended()


def test_the_process_ends_a_transfer_that_the_source_refuses() -> None:
    refusal = ReactionRejected(WithdrawForTransfer(ADA, FIVE, MOVE), "INSUFFICIENT_FUNDS", "")
    transfers(REQUESTED).when(refusal).then(RecordRefusal(MOVE, "INSUFFICIENT_FUNDS"))
    transfers(REQUESTED, refusal).when(TransferRefused(MOVE, "INSUFFICIENT_FUNDS")).then().then_ended()


def test_the_process_gives_the_money_back_when_the_target_refuses_it() -> None:
    transfers(*MOVING).when(REFUSAL).then(RecordRefusal(MOVE, "ACCOUNT_CLOSED"))
    transfers(*MOVING, REFUSAL).when(RETURNING).then(ReturnFromTransfer(ADA, FIVE, MOVE))
    transfers(*MOVING, REFUSAL, RETURNING).when(MoneyReturned(ADA, FIVE, MOVE)).then(RecordReturn(MOVE))
    transfers(*MOVING, RETURNING).when(TransferReturned(MOVE)).then().then_ended()


def test_a_transfer_expires_when_its_source_is_silent_for_five_minutes() -> None:
    almost = timedelta(minutes=4, seconds=59)
    transfers(REQUESTED).when(almost).then()
    transfers(REQUESTED, almost).when(timedelta(seconds=1)).then(ExpireTransfer(MOVE))
    transfers(REQUESTED, MoneyWithdrawn(ADA, FIVE, MOVE)).when(timedelta(days=1)).then()


def test_money_that_leaves_the_source_of_an_expired_transfer_goes_back() -> None:
    expired = (REQUESTED, timedelta(minutes=5), TransferExpired(MOVE))
    transfers(*expired).when(MoneyWithdrawn(ADA, FIVE, MOVE)).then(RecordWithdrawal(MOVE))
    too_late = TransferReturning(MOVE, ADA, FIVE, "EXPIRED")
    transfers(*expired, MoneyWithdrawn(ADA, FIVE, MOVE)).when(too_late).then(
        ReturnFromTransfer(ADA, FIVE, MOVE)
    )


def test_the_process_leaves_deposits_and_withdrawals_of_people_alone() -> None:
    for event in (OPENED, CLOSED, MoneyDeposited(ADA, FIVE), MoneyWithdrawn(ADA, FIVE)):
        transfers().when(event).then().then_ended()


def test_nothing_follows_from_the_money_of_a_transfer_that_has_ended() -> None:
    ended = (*MOVING, MoneyDeposited(BOB, FIVE, MOVE), TransferCompleted(MOVE))
    for event in (MoneyDeposited(BOB, FIVE, MOVE), MoneyReturned(ADA, FIVE, MOVE), REFUSAL):
        transfers(*ended).when(event).then().then_ended()


def test_a_refused_internal_step_starts_nothing() -> None:
    for command in (RecordWithdrawal(MOVE), RecordDeposit(MOVE), ReturnFromTransfer(ADA, FIVE, MOVE)):
        transfers(*MOVING).when(ReactionRejected(command, "WRONG_STATUS", "")).then()


# --- Projections


def test_the_accounts_show_owner_balance_and_whether_they_are_closed() -> None:
    history = [
        OPENED,
        AccountOpened(BOB, "Bob"),
        MoneyDeposited(ADA, TEN),
        MoneyWithdrawn(ADA, FIVE, MOVE),
        MoneyDeposited(BOB, FIVE, MOVE),
        MoneyWithdrawn(ADA, FIVE),
        CLOSED,
    ]
    assert rows(bank, "account", history) == {
        ADA: AccountRow(ADA, "Ada", Decimal(0), closed=True),
        BOB: AccountRow(BOB, "Bob", FIVE),
    }
    returned = MoneyReturned(ADA, FIVE, MOVE)
    assert rows(bank, "account", [*history, returned])[ADA] == AccountRow(ADA, "Ada", FIVE)


@pytest.mark.parametrize("status", [status for status in HISTORIES if status])
def test_the_transfers_show_their_status_and_why_they_were_refused(status: TransferStatus) -> None:
    (row,) = rows(bank, "transfer", HISTORIES[status]).values()
    reasons = {
        TransferStatus.REFUSED: "INSUFFICIENT_FUNDS",
        TransferStatus.EXPIRED: "EXPIRED",
        TransferStatus.RETURNING: "ACCOUNT_CLOSED",
        TransferStatus.RETURNED: "ACCOUNT_CLOSED",
    }
    assert row == TransferRow(MOVE, ADA, BOB, FIVE, status, reasons.get(status))


# --- Rules: who may send and see what, with authentication on

OWNER, OTHER, NOT_SIGNED_IN = Viewer("Ada"), Viewer("Eve"), Viewer()
TELLER, OPERATOR = Viewer("Tess", frozenset({"teller"})), Viewer("Olga", frozenset({"operator"}))
STRANGERS = (OTHER, NOT_SIGNED_IN, OPERATOR)
PAID = TransferRequested(MOVE, ADA, BOB, FIVE, "Ada")


@pytest.mark.parametrize(
    ("command", "allowed"),
    [
        (OpenAccount("Ada", ADA), (OWNER, TELLER)),
        (Deposit(ADA, FIVE), (OWNER, TELLER)),
        (Withdraw(ADA, FIVE), (OWNER,)),
        (CloseAccount(ADA), (OWNER,)),
        (RequestTransfer(ADA, BOB, FIVE, MOVE, "Ada"), (OWNER,)),
        (RequestTransfer(ADA, BOB, FIVE, MOVE), ()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_customers_move_their_own_money_and_tellers_take_deposits(
    command: Any, allowed: tuple[Viewer, ...]
) -> None:
    opened = () if isinstance(command, OpenAccount | RequestTransfer) else FILLED
    for viewer in (OWNER, TELLER, *STRANGERS):
        decided = given(*opened).as_viewer(viewer).when(command)
        assert isinstance(decided.refusal, Forbidden) is (viewer not in allowed), (viewer, decided)


def test_who_moves_money_in_their_own_name_moves_it_out_of_their_own_account() -> None:
    transfers().when(PAID).then(WithdrawForTransfer(ADA, FIVE, MOVE, "Ada"))
    given(*FILLED).when(WithdrawForTransfer(ADA, FIVE, MOVE, "Ada")).then(MoneyWithdrawn(ADA, FIVE, MOVE))
    stolen = WithdrawForTransfer(ADA, FIVE, MOVE, "Eve")
    given(*FILLED).when(stolen).then(Rejected("ACCOUNT_NOT_FOUND", f"Eve has no account {ADA}"))
    given().when(stolen).then(Rejected("ACCOUNT_NOT_FOUND", f"Eve has no account {ADA}"))


def test_owners_and_tellers_and_operators_see_an_account_and_what_happens_to_it() -> None:
    for viewer in (OWNER, TELLER, OPERATOR, OTHER, NOT_SIGNED_IN):
        sees = viewer not in (OTHER, NOT_SIGNED_IN)
        assert can_see(viewer, AccountRow(ADA, "Ada")) is sees
        assert can_see(viewer, OPENED) is sees
        assert can_see(viewer, MoneyDeposited(ADA, TEN), given=(OPENED,)) is sees
        assert can_see(viewer, CLOSED, given=(OPENED,)) is sees


def test_payers_and_tellers_and_operators_see_a_transfer() -> None:
    for viewer in (OWNER, TELLER, OPERATOR, OTHER, NOT_SIGNED_IN):
        sees = viewer not in (OTHER, NOT_SIGNED_IN)
        assert can_see(viewer, TransferRow(MOVE, ADA, BOB, FIVE, payer="Ada")) is sees
        assert can_see(viewer, PAID) is sees
        assert can_see(viewer, WITHDRAWN, given=(PAID,)) is sees


def test_every_type_of_the_bank_has_a_rule() -> None:
    assert list(unruled(bank)) == []
