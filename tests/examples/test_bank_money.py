"""Money is conserved, whatever people ask for and in whatever order the bank gets round to it."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from commander import CommandContext, ReactionRejected, Rejected
from commander.examples.bank import bank
from commander.examples.bank.messages import (
    CloseAccount,
    Deposit,
    MoneyDeposited,
    MoneyWithdrawn,
    OpenAccount,
    RequestTransfer,
    Withdraw,
)
from commander.examples.bank.transfers import PATIENCE, TransferStatus
from commander.testing import Reactors, rows
from tests.drawing import examples

ACCOUNTS = [UUID(int=n) for n in range(1, 5)]
CONTEXT = CommandContext(UUID(int=0), UUID(int=0), datetime(2000, 1, 1, tzinfo=UTC))

accounts = st.sampled_from(ACCOUNTS)
amounts = st.integers(1, 2000).map(lambda cents: Decimal(cents) / 100)
commands = st.one_of(
    st.builds(OpenAccount, st.just("Ada"), accounts),
    st.builds(Deposit, accounts, amounts),
    st.builds(Withdraw, accounts, amounts),
    st.builds(CloseAccount, accounts),
    st.builds(RequestTransfer, accounts, accounts, amounts, st.uuids()),
)


class Ledger:
    """The bank in memory: streams, a log, and what the reactor has yet to send, which may wait at will."""

    def __init__(self) -> None:
        self.states: dict[str, Any] = {}
        self.log: list[Any] = []
        self.waiting: dict[str, list[Any]] = defaultdict(list)
        self.reactors = Reactors(bank)

    def submit(self, command: Any, *, by_reactor: bool = False) -> None:
        type_ = bank.type_of(command)
        aggregate = bank.aggregate_of_command(type_.name)
        stream = aggregate.stream_of(command)
        state = self.states.get(stream, aggregate.initial())
        try:
            events = aggregate.decide(state, command, lambda: CONTEXT)
        except Rejected as refusal:
            if by_reactor:
                self._react(ReactionRejected(command, refusal.code, refusal.message))
            return
        for event in events:
            state = aggregate.evolve(state, event)
            self.log.append(event)
            self._react(event)
        self.states[stream] = state

    def wait(self) -> None:
        """Lets so much time pass that every deadline of now is over."""
        self._react(PATIENCE)

    def _react(self, happening: Any) -> None:
        for command in self.reactors.react(happening):
            stream = bank.aggregate_of_command(type(command).__name__).stream_of(command)
            self.waiting[stream].append(command)

    def step(self, random: Random) -> bool:
        """Sends the first waiting command of some stream; says whether there was one."""
        streams = [stream for stream, commands in self.waiting.items() if commands]
        if not streams:
            return False
        self.submit(self.waiting[random.choice(streams)].pop(0), by_reactor=True)
        return True

    def balances(self) -> list[Decimal]:
        """Of all accounts; the aggregates, which decide, and the projection, which tells, agree on them."""
        shown = {f"account-{key}": row.balance for key, row in rows(bank, "account", self.log).items()}
        held = {name: state.balance for name, state in self.states.items() if name.startswith("account-")}
        assert shown == held
        return list(shown.values())

    def paid_in(self) -> Decimal:
        """What people brought, less what they took away."""
        brought = sum(e.amount for e in self.log if isinstance(e, MoneyDeposited) and e.transfer_id is None)
        taken = sum(e.amount for e in self.log if isinstance(e, MoneyWithdrawn) and e.transfer_id is None)
        return Decimal(brought - taken)


@examples(150)
@given(st.lists(commands, min_size=10, max_size=60), st.randoms(use_true_random=False), st.integers(0, 3))
def test_money_is_conserved(asked: list[Any], random: Random, steps_between: int) -> None:
    ledger = Ledger()
    for account in ACCOUNTS[:3]:  # the fourth may stay unopened
        ledger.submit(OpenAccount("Ada", account))
        ledger.submit(Deposit(account, Decimal("10.00")))
    for command in asked:
        ledger.submit(command)
        if random.random() < 0.1:
            ledger.wait()
        for _ in range(steps_between):
            ledger.step(random)
        assert min(ledger.balances()) >= 0
        assert sum(ledger.balances()) <= ledger.paid_in(), "what is under way is in no account"
    while ledger.step(random):
        pass
    assert sum(ledger.balances()) == ledger.paid_in()
    ended = {TransferStatus.COMPLETED, TransferStatus.REFUSED, TransferStatus.RETURNED}
    assert ledger.reactors.states == {}, "every process has ended"
    assert {row.status for row in rows(bank, "transfer", ledger.log).values()} <= ended
