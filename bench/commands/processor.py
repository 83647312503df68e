"""a: one processor process, from commands waiting in COMMANDS to their events and outcomes in Postgres.

The rate is taken from what is stored: between the commit of the first batch with deposits and that of the
last one, how many deposits were committed. So the start of the process is not in it, and every command of
the run passes through all that the processor does: outcomes are also announced, each on its reply subject.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

from bench.audit import audit_log, audit_outcomes
from bench.commands.plan import Bench
from bench.filling import deposits, enqueue, open_accounts
from bench.measuring import Measure
from bench.processes import Process
from bench.servers import System
from commander.eventstore.log.event_log import head_position

RATE = "processor: commands decided and committed"

_BETWEEN_COMMITS = """
    with batches as (
        select decided_at, count(*) as size from commands where type = 'Deposit' group by decided_at
    )
    select sum(size) - (select size from batches order by decided_at limit 1) as commands,
           extract(epoch from max(decided_at) - min(decided_at))::float8 as seconds
    from batches
"""


async def measure_processor(bench: Bench) -> list[Measure]:
    async with bench.system() as system:
        accounts, opened = await open_accounts(system, bench.plan.accounts)
        waiting = deposits(accounts, bench.plan.queued_deposits, reply=system.nats.client.new_inbox())
        await enqueue(system.nats, waiting)
        ids = opened + [command.command_id for command in waiting]
        async with system.part("commander", "processor") as process:
            microseconds = await _until_decided(system, process, len(opened), len(ids))
        await _audit(system, ids)
        row = await system.database.fetchrow(_BETWEEN_COMMITS)
        assert row is not None, "an aggregate has a row"
        return [
            Measure(RATE, "commands/s", int(row["commands"]) / row["seconds"]),
            Measure("processor: time on a CPU of its process", "µs/command", microseconds),
        ]


async def drained(system: System, ids: Sequence[UUID]) -> None:
    """Has a processor decide what waits, and audits the outcome."""
    async with system.part("commander", "processor") as process:
        await _until_decided(system, process, 0, len(ids))
    await _audit(system, ids)


async def _until_decided(system: System, process: Process, behind: int, up_to: int) -> float:
    """Waits for the log's head: each command here makes one event. Returns the CPU time of each, in µs.

    behind: where to begin to count it.
    """
    first: tuple[int, float] | None = None
    async with asyncio.timeout(300):
        while True:
            process.must_run()
            head = await head_position(system.database)
            cpu_seconds = process.cpu_seconds()
            if head > behind and first is None:
                first = head, cpu_seconds
            if head >= up_to:
                break
            await asyncio.sleep(0.05)
    assert first is not None, "the head is not below where counting begins"
    return (cpu_seconds - first[1]) / max(1, head - first[0]) * 1e6


async def _audit(system: System, ids: Sequence[UUID]) -> None:
    await audit_log(system.database)
    await audit_outcomes(system.database, ids)
