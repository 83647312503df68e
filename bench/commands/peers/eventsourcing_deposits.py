"""The deposits through `eventsourcing`: an Application with aggregates on its Postgres module, one save each.

Runs in the peers' own environment. argv: accounts, deposits. The connection, and what else is configured,
comes from the environment, as that library takes it. Prints {"commands", "seconds"} as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from decimal import Decimal
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event


class Account(Aggregate):
    @event("Opened")
    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.balance = Decimal("0.00")

    @event("MoneyDeposited")
    def deposit(self, amount: Decimal) -> None:
        self.balance += amount


class Bank(Application[UUID]):
    def open(self, owner: str) -> UUID:
        account = Account(owner)
        self.save(account)
        return account.id

    def deposit(self, account_id: UUID, amount: Decimal) -> None:
        account: Account = self.repository.get(account_id)
        account.deposit(amount)
        self.save(account)

    def balance(self, account_id: UUID) -> Decimal:
        account: Account = self.repository.get(account_id)
        return account.balance


def main() -> None:
    account_count, deposit_count = map(int, sys.argv[1:])
    bank = Bank()
    accounts = [bank.open("Ada") for _ in range(account_count)]
    amount = Decimal("1.00")
    began = time.perf_counter()
    for number in range(deposit_count):
        bank.deposit(accounts[number % account_count], amount)
    seconds = time.perf_counter() - began
    assert bank.balance(accounts[0]) == -(-deposit_count // account_count) * amount
    bank.close()
    print(json.dumps({"commands": deposit_count, "seconds": seconds}))


main()
