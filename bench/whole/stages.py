"""The stages of a run: up to saturation, to more and more watchers, and steadily with faults."""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import Literal
from uuid import UUID, uuid4

from bench.processes import MeasurementFailed
from bench.whole.driving import use, watched
from bench.whole.figures import Fan, Step, fan_of, step_of
from bench.whole.plan import Plan
from bench.whole.sampling import Sampling
from bench.whole.system import System
from bench.whole.timeline import Timeline
from bench.whole.users import Users
from bench.whole.watchers import Watchers

_ONCE: tuple[Literal["openAccount", "deposit"], ...] = ("openAccount", "deposit")
_OPENINGS_PER_SECOND = 200.0
_SETTLED_SECONDS = 120.0
_POLL_SECONDS = 0.2


@dataclass
class Run:
    """A run on a system. accounts: whose money moves."""

    plan: Plan
    system: System
    timeline: Timeline
    sampling: Sampling
    accounts: list[UUID]

    async def open_accounts(self) -> None:
        self.timeline.mark("stage", "opening accounts")
        for only in _ONCE:
            await use(self._users(_OPENINGS_PER_SECOND, 0, only), self.timeline.users, self._driven)
        await self.settle()

    async def saturate(self) -> list[Step]:
        """Holds each rate of the plan, until the system is saturated. Between two it comes to rest."""
        steps: list[Step] = []
        seconds = self.plan.step_seconds
        for rate in self.plan.steps:
            begin = self.timeline.mark("stage", f"{rate:,.0f} mutations/s").at
            await self._use(rate, seconds)
            steps.append(step_of(self.timeline.answers_due(begin, time.perf_counter()), rate, seconds))
            await self.settle()
            if steps[-1].is_saturated:
                break
        return steps

    async def fan_out(self) -> list[Fan]:
        """Delivers the same rate to each number of watchers of the plan."""
        fans: list[Fan] = []
        seconds = self.plan.step_seconds
        for count in self.plan.fans:
            async with self._watched(count):
                begin = self.timeline.mark("stage", f"{count:,} watchers").at
                await self._use(self.plan.rate, seconds)
                await self.settle()
                first = min(one.due for one in self.timeline.answers_due(begin, time.perf_counter()))
                ticks = [tick for tick in self.timeline.delivered if first < tick.at <= first + seconds]
                fans.append(fan_of(ticks, count, seconds))
        return fans

    async def hold(self) -> tuple[float, float]:
        """The steady load with its faults. Returns when it began and ended."""
        async with self._watched(self.plan.watchers), asyncio.TaskGroup() as group:
            begin = self.timeline.mark("stage", "steady").at
            for kill in self.plan.kills:
                group.create_task(self._kill(kill.kind, kill.after_seconds))
            await self._use(self.plan.rate, self.plan.seconds)
            end = self.timeline.mark("stage", "coming to rest").at
        await self.settle()
        return begin, end

    async def settle(self) -> None:
        """Waits until no part is behind. Raises MeasurementFailed."""
        behind: dict[str, int] = {}
        try:
            async with asyncio.timeout(_SETTLED_SECONDS):
                rest = 0
                while rest < 2:  # a reactor may have sent a command between two looks at one time
                    behind = await self.sampling.behind()
                    rest = 0 if any(behind.values()) else rest + 1
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            late = ", ".join(f"{name} by {count:,}" for name, count in behind.items() if count)
            raise MeasurementFailed(
                f"after {_SETTLED_SECONDS:.0f} s there are still behind: {late}"
            ) from None

    async def _kill(self, kind: str, after_seconds: float) -> None:
        await asyncio.sleep(after_seconds)
        part = self.system.kill(kind)
        self.timeline.mark("kill", part.name)
        await asyncio.sleep(self.plan.restart_seconds)
        await self.system.bring_back(part)
        self.timeline.mark("back", part.name)

    async def _use(self, per_second: float, seconds: float) -> None:
        await use(self._users(per_second, seconds), self.timeline.users, self._driven)

    def _users(
        self, per_second: float, seconds: float, only: Literal["openAccount", "deposit"] | None = None
    ) -> Users:
        ports, clients = self.system.api_ports, self.plan.clients
        return Users(ports, self.accounts, clients, per_second, seconds, only)

    def _driven(self, process_id: int | None) -> None:
        self.sampling.driven("users", process_id)

    def _watched(self, count: int) -> AbstractAsyncContextManager[None]:
        watchers = Watchers(self.system.api_ports, count)
        return watched(watchers, self.timeline.watchers, partial(self.sampling.driven, "watchers"))


def run_on(plan: Plan, system: System, timeline: Timeline, sampling: Sampling) -> Run:
    return Run(plan, system, timeline, sampling, [uuid4() for _ in range(plan.accounts)])
