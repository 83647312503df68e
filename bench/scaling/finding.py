"""e: a command that ends its processor, amid others: how many deaths until it is found, and how soon.

The processor is started again whenever it has ended, at once.
"""

from __future__ import annotations

import time
from uuid import UUID, uuid4

from bench.audit import BrokenInvariant, audit_log
from bench.filling import submitted
from bench.measuring import Measure
from bench.processes import Process, until
from bench.scaling.doors import Knock, doors
from bench.scaling.plan import Bench
from bench.scaling.queues import enqueue_together
from bench.servers import System
from commander.eventstore.log.event_log import ended_commands
from commander.eventstore.log.outcomes import outcome_of

DEATHS = "deaths until the command that ends its processor is found"

_DOORS = 100


async def measure_finding(bench: Bench) -> list[Measure]:
    count = bench.plan.found
    ids = [uuid4() for _ in range(_DOORS)]
    commands = [submitted(doors, Knock(ids[n % _DOORS])) for n in range(count)]
    deadly = submitted(doors, Knock(ids[0], deadly=True))
    async with bench.system(name=doors.name) as system:
        await enqueue_together(system.nats, [*commands[: count // 20], deadly, *commands[count // 20 :]])
        began = time.perf_counter()
        deaths = 0
        while not await _ended(system, count + 1):
            async with system.part("commander", "processor", "bench.scaling.doors:doors") as process:
                deaths += await _until_ended(system, process, count + 1)
        seconds = time.perf_counter() - began
        await _audit(system, deadly.command_id, count)
    return [
        Measure(DEATHS, "", deaths),
        Measure(f"all {count:,} commands around it decided after", "s", seconds),
    ]


async def _ended(system: System, count: int) -> bool:
    return await ended_commands(system.database) >= count


async def _until_ended(system: System, process: Process, count: int) -> bool:
    """Waits until all commands have an outcome, or the process has died; whether it has."""

    async def ended() -> bool:
        return process.has_ended or await _ended(system, count)

    await until(ended, timeout_seconds=120, look_seconds=0.02)
    return process.has_ended


async def _audit(system: System, deadly: UUID, others: int) -> None:
    await audit_log(system.database)
    outcome = await outcome_of(system.database, deadly)
    applied = await system.database.fetchval("select count(*) from commands where status = 'APPLIED'")
    if outcome is None or outcome.code != "CRASHED_PROCESSOR" or applied != others:
        raise BrokenInvariant(f"{applied} of {others} commands applied, and the deadly one: {outcome}")
