"""The part that runs reactors and recurring commands."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from commander.domain import Domain
from commander.eventstore.database import Database
from commander.eventstore.log.event_log import head_position
from commander.eventstore.reactions.reactors import reactors_now
from commander.parts.exposition import Metric, gauges
from commander.parts.metrics import Measure
from commander.parts.part import Part, run_all
from commander.settings import Settings
from commander.streaming.commands.sending_again import LossWatch
from commander.streaming.commands.submitting import Submitter
from commander.streaming.handling import HandlingRun
from commander.streaming.nats.connection import Nats
from commander.streaming.reactors.reacting import ReactorRunner
from commander.streaming.reactors.recurring import Ticker


class ReactorsPart(Part):
    """Runs the reactors, which turn events into commands, and sends recurring commands."""

    name = "reactors"

    def __init__(self, settings: Settings, domain: Domain) -> None:
        super().__init__(settings, domain)
        self._runners: list[ReactorRunner] = []
        self._ticker: Ticker | None = None

    async def run(self, database: Database, nats: Nats) -> None:
        submitter = Submitter(nats, self.settings.partitions)
        most, run = self.settings.reactor_parked_keys, HandlingRun()
        self._runners = [
            ReactorRunner(self.domain, database, nats, submitter, reactor, most, run)
            for reactor in self.domain.reactors.values()
        ]
        self._ticker = Ticker(self.domain, database, nats, submitter)
        lost = LossWatch(database, nats, submitter)
        await run_all(*(runner.run() for runner in self._runners), self._ticker.run(), lost.run())

    def own_measures(self, database: Database, nats: Nats) -> list[Measure]:
        failures = {runner.name: runner.failure for runner in self._runners}
        return [partial(of_reactors, database, failures)]

    def own_readiness(self) -> Mapping[str, str]:
        states = {f"reactor {r.name}": r.failure or "ok" for r in self._runners}
        failures = {} if self._ticker is None else self._ticker.failures
        return states | {f"every {name}": failures.get(name, "ok") for name in self.domain.recurring}


async def of_reactors(database: Database, failures: Mapping[str, str | None]) -> list[Metric]:
    """failures: for each reactor of this process, why it has stopped, or None."""
    head = await head_position(database)
    ours = [one for one in await reactors_now(database) if one.name in failures]
    positions = {one.name: one.position for one in ours}
    lags = {name: max(0, head - position) for name, position in positions.items()}
    parked = {one.name: one.parked for one in ours}
    failed = {name: failure is not None for name, failure in failures.items()}
    return [
        gauges("reactor_position", "The position up to which it has reacted.", "reactor", positions),
        gauges("reactor_lag_events", "How many events it is behind the log.", "reactor", lags),
        gauges("reactor_failed", "1 if it has stopped at an event or has parked keys.", "reactor", failed),
        gauges("reactor_parked_keys", "Keys that wait because an event of theirs failed.", "reactor", parked),
    ]
