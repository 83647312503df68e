"""a: a deep queue decided by one processor and by two, in turn.

The rate is that of the time in which all processes that decide own their partitions, until nine tenths are
decided. So the start of the processes is not in it, nor the end, at which one may be done before the other.
"""

from __future__ import annotations

from contextlib import AsyncExitStack

from bench.audit import audit_log, audit_outcomes
from bench.measuring import Measure
from bench.scaling.plan import Bench
from bench.scaling.queues import clock, commits, deep_queue, rate, until_decided, until_shared

_KINDS = {"alone": False, "together": True}


def name(processors: int, kind: str) -> str:
    return f"{processors} processor{'s'[: processors > 1]}, commands {kind} in their messages"


async def measure_deciding(bench: Bench) -> list[Measure]:
    return [
        measure
        for kind in _KINDS
        for processors in (1, 2)
        for measure in await _measure(bench, processors, kind)
    ]


async def _measure(bench: Bench, processors: int, kind: str) -> list[Measure]:
    plan = bench.plan
    async with bench.system() as system, AsyncExitStack() as stack:
        ids = await deep_queue(system, plan.accounts, plan.queued, together=_KINDS[kind])
        running = [
            await stack.enter_async_context(system.part("commander", "processor")) for _ in range(processors)
        ]
        await until_shared(system.database, running)
        begin, cpu = await clock(system.database), sum(one.cpu_seconds() for one in running)
        await until_decided(system.database, running, len(ids) * 9 // 10)
        end, cpu = await clock(system.database), sum(one.cpu_seconds() for one in running) - cpu
        await until_decided(system.database, running, len(ids))
        found = await commits(system.database)
        decided = sum(one.commands for one in found if begin <= one.at <= end)
        await audit_log(system.database)
        await audit_outcomes(system.database, ids)
    return [
        Measure(name(processors, kind), "commands/s", rate(found, begin, end)),
        Measure(f"{name(processors, kind)}: time on a CPU", "µs/command", cpu / decided * 1e6),
    ]
