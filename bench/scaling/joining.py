"""b: the rate while a second processor joins, decides beside the first, and leaves on SIGTERM."""

from __future__ import annotations

import asyncio
from itertools import accumulate

from bench.audit import audit_log, audit_outcomes
from bench.measuring import Measure
from bench.processes import MeasurementFailed
from bench.scaling.plan import Bench
from bench.scaling.queues import clock, commits, deep_queue, until_decided, until_shared
from bench.scaling.windows import Phases, measures_of

NAME = "processors, a deep queue"


async def measure_joining(bench: Bench) -> list[Measure]:
    plan, seconds = bench.plan, bench.plan.phase_seconds
    async with bench.system() as system:
        ids = await deep_queue(system, plan.accounts, plan.joined, together=True)
        async with system.part("commander", "processor") as first:
            await until_decided(system.database, [first], plan.accounts)
            begin = await clock(system.database)
            await asyncio.sleep(seconds)
            joining = await clock(system.database)
            async with system.part("commander", "processor") as second:
                await until_shared(system.database, [first, second])
                joined = await clock(system.database)
                await asyncio.sleep(seconds)
                leaving = await clock(system.database)
            await until_shared(system.database, [first])
            left = await clock(system.database)
            await asyncio.sleep(seconds)
            end = await clock(system.database)
            await until_decided(system.database, [first], len(ids))
        found = await commits(system.database)
        await audit_log(system.database)
        await audit_outcomes(system.database, ids)
    if found[-1].at < end:
        raise MeasurementFailed("the queue was empty before the end: more commands must wait")
    totals = accumulate(one.commands for one in found)
    samples = [(one.at, float(total)) for one, total in zip(found, totals, strict=True)]
    return measures_of(NAME, "commands", samples, Phases(begin, joining, joined, leaving, left, end))
