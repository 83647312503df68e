"""The accounts' rows through the projection runner of `eventsourcing`, from a history that is there already.

Runs in the peer's own environment. argv: accounts, events. The connection comes from the environment, as that
library takes it. Prints {"commands", "seconds"} as JSON, from the runner's start to the last row.
"""

from __future__ import annotations

import json
import sys
import time
from decimal import Decimal
from typing import Any
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from psycopg.sql import SQL

IN, OUT = Decimal("3.00"), Decimal("1.00")


class Account(Aggregate):
    @event("Opened")
    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.balance = Decimal("0.00")

    @event("MoneyDeposited")
    def deposit(self, amount: Decimal) -> None:
        self.balance += amount

    @event("MoneyWithdrawn")
    def withdraw(self, amount: Decimal) -> None:
        self.balance -= amount


class Bank(Application[UUID]):
    pass


class AccountRows(PostgresTrackingRecorder):
    """A table of one's own, written in the transaction that keeps how far the projection is."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.sql_create_statements.append(
            SQL(
                "create table if not exists account_rows "
                "(account_id uuid primary key, owner text not null, balance numeric not null)"
            )
        )

    def write(self, sql: str, binds: tuple[Any, ...], tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            cursor.execute(sql, binds)
            self._insert_tracking(cursor, tracking)

    def money(self) -> tuple[int, Decimal]:
        with self.datastore.transaction() as cursor:
            cursor.execute("select count(*) as rows, sum(balance) as money from account_rows")
            found = cursor.fetchone()
        return found["rows"], found["money"]


class AccountProjection(Projection[AccountRows]):
    name = "accounts"
    topics = ()

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        match domain_event:
            case Account.Opened():
                sql = "insert into account_rows values (%s, %s, 0)"
                self.view.write(sql, (domain_event.originator_id, domain_event.owner), tracking)
            case Account.MoneyDeposited():
                self._move(domain_event, domain_event.amount, tracking)
            case Account.MoneyWithdrawn():
                self._move(domain_event, -domain_event.amount, tracking)

    def _move(self, domain_event: Any, amount: Decimal, tracking: Tracking) -> None:
        sql = "update account_rows set balance = balance + %s where account_id = %s"
        self.view.write(sql, (amount, domain_event.originator_id), tracking)


def main() -> None:
    account_count, event_count = map(int, sys.argv[1:])
    bank = Bank()
    accounts = [Account("Ada") for _ in range(account_count)]
    last = bank.save(*accounts)
    moves = event_count - account_count
    for begin in range(0, moves, account_count):
        moved = accounts[: min(account_count, moves - begin)]
        for number, account in enumerate(moved, begin):
            account.deposit(IN) if number % 2 == 0 else account.withdraw(OUT)
        last = bank.save(*moved)
    position = last[-1].notification.id
    began = time.perf_counter()
    with ProjectionRunner(
        application_class=Bank, projection_class=AccountProjection, view_class=AccountRows
    ) as runner:
        runner.wait(position, timeout=600)
        seconds = time.perf_counter() - began
        rows, money = runner.projection.view.money()
    assert (rows, money) == (account_count, (moves + 1) // 2 * IN - moves // 2 * OUT), (rows, money)
    bank.close()
    print(json.dumps({"commands": event_count, "seconds": seconds}))


main()
