"""The parts of the system but the API (api.py): what each process runs, and when it is ready."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Mapping
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from commander.domain import Domain
from commander.domain.errors import Unavailable
from commander.eventstore.database import Database
from commander.parts.health import health_routes
from commander.parts.metrics import (
    Measure,
    metrics_route,
    of_a_processor,
    of_effects,
    of_projections,
    of_reactors,
    of_the_log,
    of_the_queue,
    of_the_relay,
    servers_up,
)
from commander.settings import Settings
from commander.streaming.commands.processor import Processor, ProcessorSettings
from commander.streaming.commands.submitting import Submitter
from commander.streaming.commands.watchdog import end_if_the_loop_hangs
from commander.streaming.effects.attempts import CallExclusion
from commander.streaming.effects.runner import EffectRunner
from commander.streaming.log.relay import Relay
from commander.streaming.nats.connection import Nats
from commander.streaming.projections.projectors import Projectors
from commander.streaming.reactors.reacting import ReactorRunner
from commander.streaming.reactors.recurring import Ticker


class Part(ABC):
    """One part. `run` works until it is cancelled; before that, `app` may already answer.

    garbage_thresholds: of Python's collector of cycles. How many more objects there are before it looks at
    the young, and how many such looks before it looks at the middle-aged, and at all.
    """

    name: str
    garbage_thresholds = (10_000, 2, 2)  # all are looked at as often as by Python's own, the young less often

    def __init__(self, settings: Settings, domain: Domain) -> None:
        self.settings = settings
        self.domain = domain
        self._database: Database | None = None
        self._nats: Nats | None = None
        self._started = False
        self.stopping = False

    def will_use(self, database: Database, nats: Nats) -> None:
        """Makes the servers known to readiness, before they have answered."""
        self._database, self._nats = database, nats

    async def start(self, database: Database, nats: Nats) -> None:
        """Works until cancelled, with servers that answered a moment ago."""
        self._started = True
        await self.run(database, nats)

    @abstractmethod
    async def run(self, database: Database, nats: Nats) -> None: ...

    def stop(self) -> None:
        """The process was told to end: no longer ready, and nothing goes on that does not end by itself."""
        self.stopping = True

    def address(self) -> tuple[str, int] | None:
        """Where this process answers HTTP; None for nowhere."""
        if self.settings.health_port == 0:
            return None
        return self.settings.health_host, self.settings.health_port

    def routes(self) -> list[BaseRoute]:
        """What every part answers: its health and its metrics."""
        return [*health_routes(self.readiness), metrics_route(self._measures)]

    def app(self) -> ASGIApp:
        return Starlette(routes=self.routes())

    def _measures(self) -> list[Measure]:
        database, nats = self._database, self._nats
        measures: list[Measure] = [partial(servers_up, database, nats)]
        if database is not None and nats is not None and self._started:
            measures += [partial(of_the_log, database), *self.own_measures(database, nats)]
        return measures

    def own_measures(self, database: Database, nats: Nats) -> list[Measure]:
        """What /metrics shows of this part."""
        return []

    async def readiness(self) -> Mapping[str, str]:
        """Each thing this process needs: 'ok', or why not."""
        if self.stopping:
            return {self.name: "stopping"}
        if self._database is None or self._nats is None:
            return {self.name: "not started yet"}
        states = {"postgres": "ok", "nats": "ok"}
        try:
            await self._database.ping()
            self._database.must_be_up()
        except Unavailable as error:
            states["postgres"] = error.reason
        if not self._nats.connected:
            states["nats"] = f"the connection to {self._nats.shown_url} is down"
        if not self._started:
            return {**states, self.name: "not started yet"}
        return {**states, **self.own_readiness()}

    def own_readiness(self) -> Mapping[str, str]:
        return {}


class ProcessorPart(Part):
    """Decides commands. Ready without partitions too: it stands by for those of another."""

    name = "processor"
    garbage_thresholds = (50_000, 10, 10)  # a batch makes thousands that stay for a moment
    _processor: Processor | None = None

    async def run(self, database: Database, nats: Nats) -> None:
        settings = ProcessorSettings(self.settings.partitions, self.settings.batch_size)
        self._processor = Processor(self.domain, database, nats, settings)
        await self._processor.run()

    def own_measures(self, database: Database, nats: Nats) -> list[Measure]:
        return [partial(of_a_processor, self._processor), partial(of_the_queue, database, nats)]


class RelayPart(Part):
    """Mirrors the log onto the EVENTS stream."""

    name = "relay"

    async def run(self, database: Database, nats: Nats) -> None:
        await Relay(database, nats).run()

    def own_measures(self, database: Database, nats: Nats) -> list[Measure]:
        return [partial(of_the_relay, database, nats)]


class ProjectionsPart(Part):
    """Folds the log into the projections' tables. Ready when those of its code are built, and well."""

    name = "projections"
    garbage_thresholds = (
        50_000,
        10,
        10,
    )  # a stretch makes thousands that stay for a moment, and hardly a cycle

    def __init__(self, settings: Settings, domain: Domain) -> None:
        super().__init__(settings, domain)
        self._projectors: Projectors | None = None

    async def run(self, database: Database, nats: Nats) -> None:
        self._projectors = Projectors(self.domain, database, nats)
        await self._projectors.run()

    def own_measures(self, database: Database, nats: Nats) -> list[Measure]:
        return [partial(of_projections, database)]

    def own_readiness(self) -> Mapping[str, str]:
        states = {} if self._projectors is None else self._projectors.states()
        missing = "no table of this code; a restart makes one"
        return {f"projection {name}": states.get(name, missing) for name in self.domain.projections}


class ReactorsPart(Part):
    """Turns events into new commands, and sends those that recur."""

    name = "reactors"

    def __init__(self, settings: Settings, domain: Domain) -> None:
        super().__init__(settings, domain)
        self._runners: list[ReactorRunner] = []
        self._ticker: Ticker | None = None

    async def run(self, database: Database, nats: Nats) -> None:
        submitter = Submitter(nats, self.settings.partitions)
        self._runners = [
            ReactorRunner(self.domain, database, nats, submitter, reactor)
            for reactor in self.domain.reactors.values()
        ]
        self._ticker = Ticker(self.domain, submitter)
        await run_all(*(runner.run() for runner in self._runners), self._ticker.run())

    def own_measures(self, database: Database, nats: Nats) -> list[Measure]:
        failures = {runner.name: runner.failure for runner in self._runners}
        return [partial(of_reactors, database, failures)]

    def own_readiness(self) -> Mapping[str, str]:
        states = {f"reactor {r.name}": r.failure or "ok" for r in self._runners}
        failures = {} if self._ticker is None else self._ticker.failures
        return states | {f"every {name}": failures.get(name, "ok") for name in self.domain.recurring}


class EffectsPart(Part):
    """Calls the outside. A part of its own, so that nothing else waits for what an author awaits.

    A call that holds up the whole process for longer than any may take ends it, and is found by its attempts.
    """

    name = "effects"
    hung_seconds = 5.0  # beyond the longest timeout

    def __init__(self, settings: Settings, domain: Domain) -> None:
        super().__init__(settings, domain)
        self._runners: list[EffectRunner] = []

    async def run(self, database: Database, nats: Nats) -> None:
        exclusion, effects = CallExclusion(), self.domain.effects.values()
        self._runners = [EffectRunner(self.domain, database, nats, e, exclusion=exclusion) for e in effects]
        longest = max((effect.timeout_seconds for effect in effects), default=0)
        hanging = end_if_the_loop_hangs(longest + self.hung_seconds)
        await run_all(*(runner.run() for runner in self._runners), hanging)

    def own_measures(self, database: Database, nats: Nats) -> list[Measure]:
        return [partial(of_effects, database)]


async def run_all(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Runs these until cancelled, or until one raises, which ends the others."""
    async with asyncio.TaskGroup() as group:
        for coroutine in coroutines:
            group.create_task(coroutine)
        if not coroutines:
            await asyncio.Event().wait()
