"""d: the limit of Postgres: rows like those of events, 500 a transaction, one connection, nothing else.

As a process: argv is the URL of a database with Commander's tables, and how many rows. Their columns are made
before the clock starts; what is timed is sending, storing and syncing them.
"""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
import uvloop

from bench.commands.plan import Bench
from bench.filling import AMOUNT
from bench.measuring import Measure
from bench.processes import measured_by
from bench.timed import Timed
from commander.examples.bank import bank
from commander.examples.bank.messages import MoneyDeposited

RATE = "limit of Postgres: rows in transactions of 500"

_ROWS = 500
_INSERT = """
    insert into rows_alone
    select * from unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::int[], $6::json[],
                         $7::uuid[], $8::uuid[], $9::bigint[], $10::timestamptz[])
"""


async def measure_inserting(bench: Bench) -> list[Measure]:
    async with bench.database() as url:
        arguments = (url, str(bench.plan.accounts), str(bench.plan.inserted_rows))
        timed = msgspec.json.decode(await measured_by("bench.commands.inserting", *arguments), type=Timed)
    return [Measure(RATE, "rows/s", timed.per_second)]


async def insert(url: str, accounts: int, rows: int) -> Timed:
    batches = _batches(accounts, rows)
    connection = await asyncpg.connect(url)
    await connection.execute("create table rows_alone (like events including all)")
    statement = await connection.prepare(_INSERT)
    began = time.perf_counter()
    for columns in batches:
        await statement.fetch(*columns)
    seconds = time.perf_counter() - began
    assert await connection.fetchval("select count(*) from rows_alone") == rows
    await connection.close()
    return Timed(rows, seconds)


def _batches(accounts: int, rows: int) -> list[list[list[Any]]]:
    """The columns of each transaction."""
    ids = [uuid4() for _ in range(accounts)]
    made = [_row(position, ids[position % accounts], position // accounts + 1) for position in range(rows)]
    return [[list(c) for c in zip(*made[n : n + _ROWS], strict=True)] for n in range(0, rows, _ROWS)]


def _row(number: int, account: Any, version: int) -> tuple[Any, ...]:
    event = MoneyDeposited(account, AMOUNT)
    data = bank.events["MoneyDeposited"].encode(event).decode()
    command_id = uuid4()
    now = datetime.now(UTC)
    stream = f"account-{account}"
    return (number + 1, stream, version, "MoneyDeposited", 1, data, command_id, command_id, None, now)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(
            msgspec.json.encode(runner.run(insert(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))).decode()
        )
