"""Deep queues, decided a slice in turn: what else the machine does meanwhile slows all alike.

A slice starts its processors, and ends them. Its rate is taken after their warm-up, in which they own all
partitions and load states, by `decided_at` as stored. So neither their start nor their end is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from typing import NamedTuple

from bench.across.plan import Plan
from bench.measuring import Measure
from bench.processes import Process
from bench.scaling.queues import Commit, clock, commits, until_decided, until_shared
from bench.servers import System
from commander.eventstore.log.event_log import ended_commands

_DEEP = 1.5
"""How much more than a slice takes is in a deep queue: its processors decide on until they have ended."""


class Slice(NamedTuple):
    """begin, end: Postgres' clock, in seconds. cpu_seconds: of all processors meanwhile."""

    begin: float
    end: float
    cpu_seconds: float


@dataclass
class Side:
    """Who decides the queue of a system. Several sides may have one system.

    name: of its rate. start: one processor, until it is told to end.
    """

    name: str
    system: System
    start: Callable[[System], AbstractAsyncContextManager[Process]]
    processors: int = 1
    slices: list[Slice] = field(default_factory=list)

    async def decide(self, warm_up: int, count: int) -> Slice:
        """Has so many more commands decided: those of the warm-up before the slice begins."""
        database = self.system.database
        async with AsyncExitStack() as stack:
            running = [
                await stack.enter_async_context(self.start(self.system)) for _ in range(self.processors)
            ]
            await until_shared(database, running)
            await until_decided(database, running, await ended_commands(database) + warm_up)
            begin, cpu = await clock(database), sum(one.cpu_seconds() for one in running)
            await until_decided(database, running, await ended_commands(database) + count)
            cpu = sum(one.cpu_seconds() for one in running) - cpu
            return Slice(begin, await clock(database), cpu)

    async def measures(self) -> list[Measure]:
        """What came of its slices."""
        assert self.slices, "the plan queues enough for a slice of each side"
        found = await commits(self.system.database)
        commands, seconds = map(sum, zip(*(between(found, one) for one in self.slices), strict=True))
        within = sum(c.commands for c in found for one in self.slices if one.begin <= c.at <= one.end)
        cpu = sum(one.cpu_seconds for one in self.slices) / within * 1e6
        return [
            Measure(self.name, "commands/s", commands / seconds),
            Measure(f"{self.name}: time on a CPU", "µs/command", cpu),
        ]


async def decide_in_turn(sides: Sequence[Side], queued: int, plan: Plan) -> None:
    """Has all decided. queued: how many commands each system has got, since its beginning."""
    needed = _DEEP * (plan.warm_up + plan.share)
    going = True
    while going:
        going = False
        for side in sides:
            if await _left(side, queued) >= needed:
                side.slices.append(await side.decide(plan.warm_up, plan.share))
                going = True
    for side in sides:
        if left := await _left(side, queued):
            await side.decide(0, left)


async def _left(side: Side, queued: int) -> int:
    return queued - await ended_commands(side.system.database)


def between(found: Sequence[Commit], one: Slice) -> tuple[int, float]:
    """How many commands were committed after the first transaction of the slice, and how long that took."""
    within = [commit for commit in found if one.begin <= commit.at <= one.end]
    return sum(commit.commands for commit in within[1:]), within[-1].at - within[0].at
