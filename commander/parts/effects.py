"""The part that calls effects."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from commander.domain import Domain
from commander.eventstore.database import Database
from commander.eventstore.log.event_log import head_position
from commander.eventstore.reactions.effects import effect_positions, open_effect_failures
from commander.parts.exposition import Metric, gauges
from commander.parts.metrics import Measure
from commander.parts.part import Part, run_all
from commander.settings import Settings
from commander.streaming.effects.attempts import CallExclusion
from commander.streaming.effects.runner import EffectRunner
from commander.streaming.nats.connection import Nats
from commander.streaming.watchdog import end_if_the_loop_hangs


class EffectsPart(Part):
    """Calls effects. It is a separate part, so that no other work waits for them.

    A call that blocks the event loop for longer than any effect may take ends the process. The stored attempt
    then names the call.
    """

    name = "effects"
    watched = False  # it has a watchdog of its own
    hung_seconds = 5.0  # added to the longest timeout

    def __init__(self, settings: Settings, domain: Domain) -> None:
        super().__init__(settings, domain)
        self._runners: list[EffectRunner] = []

    async def run(self, database: Database, nats: Nats) -> None:
        exclusion, effects = CallExclusion(), self.domain.effects.values()
        self._runners = [EffectRunner(self.domain, database, nats, e, exclusion=exclusion) for e in effects]
        longest = max((effect.timeout_seconds for effect in effects), default=0)
        hanging = end_if_the_loop_hangs(longest + self.hung_seconds)
        await run_all(*(runner.run() for runner in self._runners), hanging)

    def own_readiness(self) -> Mapping[str, str]:
        return {f"effect {runner.name}": runner.failure or "ok" for runner in self._runners}

    def own_measures(self, database: Database, nats: Nats) -> list[Measure]:
        return [partial(of_effects, database)]


async def of_effects(database: Database) -> list[Metric]:
    head, positions = await head_position(database), await effect_positions(database)
    lags = {name: max(0, head - position) for name, position in positions.items()}
    failures = await open_effect_failures(database)
    return [
        gauges("effect_position", "The position up to which effects were called.", "effect", positions),
        gauges("effect_lag_events", "How many events it is behind the log.", "effect", lags),
        gauges("effect_failures", "Failed calls that nobody has dropped.", "effect", failures),
    ]
