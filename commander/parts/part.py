"""The base of every part: its servers, its health, its metrics, its start and stop."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Mapping
from functools import partial
from typing import Any, Protocol

from commander.domain import Domain
from commander.eventstore.database import Database
from commander.eventstore.sharing import register_code
from commander.parts.health import health_answers
from commander.parts.metrics import (
    Measure,
    metrics_answers,
    of_the_clocks,
    of_the_code,
    of_the_log,
    of_the_loop,
    servers_up,
)
from commander.parts.status_server import Answers, StatusServer
from commander.parts.stored_names import compare_names
from commander.settings import Settings
from commander.streaming.clocks import ClockWatch
from commander.streaming.loop_watch import LoopWatch
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.streams import watch_streams
from commander.streaming.outages import share_outages


class Server(Protocol):
    """An HTTP server in a process."""

    async def serve(self) -> None:
        """Serves until `stop`."""

    def stop(self) -> None: ...


class Part(ABC):
    """One part. `run` works until it is cancelled. The servers of the part can answer before `run` begins.

    garbage_thresholds: the thresholds of Python's garbage collector, as for gc.set_threshold: how many new
    objects start a collection of generation 0, and how many collections start one of generation 1 and 2.
    watched: whether calls of the domain's code are interrupted after `handler_seconds`.
    mirrors: whether it publishes into EVENTS, so that a foreign message there stops it.
    waits_for: why it has not started, if Postgres and NATS differ.
    """

    name: str
    watched = True
    mirrors = False
    waits_for: str | None = None
    garbage_thresholds = (10_000, 2, 2)  # generation 0 is collected less often than by default

    def __init__(self, settings: Settings, domain: Domain) -> None:
        self.settings = settings
        self.domain = domain
        self.code = domain.code
        self.loop_watch = LoopWatch(settings.loop_blocked_seconds)
        self._database: Database | None = None
        self._nats: Nats | None = None
        self._clocks: ClockWatch | None = None
        self._started = False
        self.stopping = False

    def will_use(self, database: Database, nats: Nats) -> None:
        """Sets the servers that readiness checks, before they have answered."""
        self._database, self._nats = database, nats

    async def start(self, database: Database, nats: Nats) -> None:
        """Works until cancelled. The servers have answered just before. Raises StoredNamesDiffer."""
        await compare_names(database, self.domain, self.name)
        self._clocks = clocks = ClockWatch(nats, database)
        await clocks.measure()
        self._started = True
        async with database.connection() as connection:
            await register_code(connection, self.code)
        sharing = share_outages(nats, (database.circuit, nats.circuit))
        await run_all(
            self.run(database, nats), watch_streams(nats, self.settings.nats_replicas), clocks.run(), sharing
        )

    @abstractmethod
    async def run(self, database: Database, nats: Nats) -> None: ...

    def stop(self) -> None:
        """Called when the process must end: it is no longer ready, and ends what does not end by itself."""
        self.stopping = True

    def servers(self) -> list[Server]:
        """The HTTP servers of this process. The call builds everything that they serve."""
        if self.settings.health_port == 0:
            return []
        return [StatusServer(self.status(), self.settings.health_host, self.settings.health_port)]

    def status(self) -> Answers:
        """The answers of every part on the operators' port: its health in detail, and its metrics."""
        return {**health_answers(self.readiness, self.code, self.warnings), **metrics_answers(self._measures)}

    def _measures(self) -> list[Measure]:
        database, nats = self._database, self._nats
        measures: list[Measure] = [partial(servers_up, database, nats), partial(of_the_code, self.code)]
        measures.append(partial(of_the_loop, self.loop_watch))
        if database is not None and nats is not None and self._started:
            measures += [partial(of_the_log, database), *self.own_measures(database, nats)]
        if self._clocks is not None:
            measures.append(partial(of_the_clocks, self._clocks))
        return measures

    def own_measures(self, database: Database, nats: Nats) -> list[Measure]:
        """The metrics of this part."""
        return []

    async def readiness(self) -> Mapping[str, str]:
        """For each thing that this process needs: 'ok', or why it is not ready."""
        if self.stopping:
            return {self.name: "stopping"}
        if self._database is None or self._nats is None:
            return {self.name: "not started yet"}
        circuits = {"postgres": self._database.circuit, "nats": self._nats.circuit}
        states = {name: str(circuit.outage or "ok") for name, circuit in circuits.items()}
        if not self._started:
            return {**states, self.name: self.waits_for or "not started yet"}
        return {**states, **self.own_readiness()}

    def warnings(self) -> Mapping[str, str]:
        """What operators should know, although the process is ready."""
        return {}

    def own_readiness(self) -> Mapping[str, str]:
        return {}


async def run_all(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Runs these until it is cancelled, or until one of them raises. An error cancels the others."""
    try:
        async with asyncio.TaskGroup() as group:
            for coroutine in coroutines:
                group.create_task(coroutine)
            if not coroutines:
                await asyncio.Event().wait()
    except BaseExceptionGroup as errors:
        first = _first_of(errors)
        raise first from first.__cause__


def _first_of(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
