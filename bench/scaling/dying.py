"""d: a deep queue after kill -9 of its processor, beside the same after a clean stop.

The rate is that of the next processor, from the moment it owns the partitions until the last command: what
may have been the cause of the death is in it, the start of the process is not.
"""

from __future__ import annotations

import os
import signal

from bench.audit import audit_log, audit_outcomes
from bench.measuring import Measure
from bench.processes import until
from bench.scaling.plan import Bench
from bench.scaling.queues import clock, commits, deep_queue, shares, until_decided, until_shared
from commander.eventstore.log.event_log import ended_commands

STOPPED = "the next processor after a clean stop"
KILLED = "the next processor after kill -9"

_DECIDED_BEFORE = 10_000


async def measure_dying(bench: Bench) -> list[Measure]:
    return [await _measure(bench, STOPPED), await _measure(bench, KILLED)]


async def _measure(bench: Bench, name: str) -> Measure:
    plan = bench.plan
    async with bench.system() as system:
        database = system.database
        ids = await deep_queue(system, plan.accounts, _DECIDED_BEFORE + plan.killed, together=True)
        async with system.part("commander", "processor") as first:
            await until_decided(database, [first], plan.accounts + _DECIDED_BEFORE)
            if name == KILLED:
                os.kill(first.pid, signal.SIGKILL)

        async def released() -> bool:
            return not await shares(database)

        await until(released, timeout_seconds=30)
        before = await ended_commands(database)
        async with system.part("commander", "processor") as second:
            await until_shared(database, [second])
            begin = await clock(database)
            await until_decided(database, [second], len(ids))
        found = await commits(database)
        await audit_log(database)
        await audit_outcomes(database, ids)
    return Measure(name, "commands/s", (len(ids) - before) / (found[-1].at - begin))
