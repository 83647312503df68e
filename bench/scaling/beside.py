"""f: commands at a fixed rate beside a long snapshot, such as that of pg_dump: is each decided later?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg

from bench.audit import audit_log, audit_outcomes
from bench.filling import deposits, enqueue, open_accounts
from bench.measuring import Measure
from bench.pacing import due
from bench.scaling.plan import Bench
from bench.scaling.queues import until_decided
from bench.servers import System
from commander.eventstore.database import Database

FIRST = "beside a long snapshot: submitted to decided, the first tenth"
LAST = "beside a long snapshot: submitted to decided, the last tenth"
_PER_SECOND = 200
_MEDIAN = """
    select percentile_cont(0.5) within group (order by extract(epoch from decided_at - submitted_at))::float8
    from commands where number > $1 and number <= $2
"""


async def measure_beside_a_snapshot(bench: Bench) -> list[Measure]:
    async with bench.system() as system:
        accounts, opened = await open_accounts(system, bench.plan.accounts)
        async with system.part("commander", "processor") as processor:
            await until_decided(system.database, [processor], len(opened))
            async with _long_snapshot(system.database):
                ids = await _at_a_rate(system, accounts, bench.plan.beside_seconds)
                await until_decided(system.database, [processor], len(opened) + len(ids))
        begin, tenth, end = len(opened), len(ids) // 10, len(opened) + len(ids)
        first = await system.database.fetchval(_MEDIAN, begin, begin + tenth)
        last = await system.database.fetchval(_MEDIAN, end - tenth, end)
        await audit_log(system.database)
        await audit_outcomes(system.database, opened + ids)
    return [Measure(FIRST, "ms", first * 1000), Measure(LAST, "ms", last * 1000)]


@asynccontextmanager
async def _long_snapshot(database: Database) -> AsyncIterator[None]:
    connection = await asyncpg.connect(database.url)  # ours may not stay idle in a transaction
    try:
        async with connection.transaction(isolation="repeatable_read"):
            await connection.fetchval("select count(*) from events")
            yield
    finally:
        await connection.close()


async def _at_a_rate(system: System, accounts: Sequence[UUID], seconds: float) -> list[UUID]:
    """Submits commands for so long: what is due, when what was due before is on disk. Returns their ids."""
    ids: list[UUID] = []
    async for numbers in due(int(seconds * _PER_SECOND), _PER_SECOND):
        at = numbers[0] % len(accounts)
        commands = deposits([*accounts[at:], *accounts[:at]], len(numbers))
        await enqueue(system.nats, commands)
        ids += [command.command_id for command in commands]
    return ids
