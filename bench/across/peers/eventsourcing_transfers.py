"""The transfers through `eventsourcing`: slices whose consistency boundary is the tags of both accounts.

Runs in the peers' own environment. argv: accounts, transfers, how many at a time. The connection
comes from the environment, as that library takes it. Prints {"commands", "seconds"} as JSON.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import uuid4

from eventsourcing.domain import event
from eventsourcing.msgspec import DcbApplication, Decision, Selector, Slice
from eventsourcing.persistence import IntegrityError

OPENING_CENTS = 1_000_000
MOVED_CENTS = 100


class Opened(Decision):
    account: str
    cents: int


class Moved(Decision):
    """The balances are those after it."""

    source: str
    target: str
    cents: int
    source_balance: int
    target_balance: int


class Open(Slice):
    def __init__(self, account: str) -> None:
        self.account = account

    def consistency_boundary(self) -> Selector:
        return Selector(types=[Opened], tags=[self.account])

    def execute(self) -> None:
        self.trigger_event(Opened, [self.account], account=self.account, cents=OPENING_CENTS)


class Transfer(Slice):
    def __init__(self, source: str, target: str) -> None:
        self.source = source
        self.target = target
        self.balances = {source: 0, target: 0}

    def consistency_boundary(self) -> list[Selector]:
        return [Selector(types=[Opened, Moved], tags=[one]) for one in (self.source, self.target)]

    @event(Opened)
    def opened(self, account: str, cents: int) -> None:
        self.balances[account] += cents

    @event(Moved)
    def moved(self, source: str, target: str, cents: int) -> None:
        for account, change in ((source, -cents), (target, cents)):
            if account in self.balances:
                self.balances[account] += change

    def execute(self) -> None:
        if self.balances[self.source] < MOVED_CENTS:
            raise ValueError("the balance is too low")
        self.trigger_event(
            Moved,
            [self.source, self.target],
            source=self.source,
            target=self.target,
            cents=MOVED_CENTS,
            source_balance=self.balances[self.source] - MOVED_CENTS,
            target_balance=self.balances[self.target] + MOVED_CENTS,
        )


def transfer(bank: DcbApplication, pair: list[str]) -> None:
    """Decides again when another decision has come between."""
    while True:
        try:
            bank.do(Transfer(*pair))
            return
        except IntegrityError:
            continue


def audit(bank: DcbApplication, accounts: list[str], transfers: int) -> None:
    """Each decision has seen all before it; no money has come or gone."""
    balances: Counter[str] = Counter()
    moved = 0
    for envelope in bank.events.read():
        one = envelope.decision
        if isinstance(one, Opened):
            assert one.account not in balances
            balances[one.account] = one.cents
            continue
        moved += 1
        balances[one.source] -= one.cents
        balances[one.target] += one.cents
        assert (balances[one.source], balances[one.target]) == (one.source_balance, one.target_balance)
    assert moved == transfers
    assert balances.keys() == set(accounts)
    assert balances.total() == len(accounts) * OPENING_CENTS


def main() -> None:
    account_count, transfer_count, at_a_time = map(int, sys.argv[1:])
    bank = DcbApplication()
    accounts = [f"account-{uuid4()}" for _ in range(account_count)]
    pairs = [random.sample(accounts, 2) for _ in range(transfer_count)]
    with ThreadPoolExecutor(at_a_time) as threads:
        for account in accounts:
            bank.do(Open(account))
        began = time.perf_counter()
        for _ in threads.map(partial(transfer, bank), pairs):
            pass
        seconds = time.perf_counter() - began
    audit(bank, accounts, transfer_count)
    bank.close()
    print(json.dumps({"commands": transfer_count, "seconds": seconds}))


main()
