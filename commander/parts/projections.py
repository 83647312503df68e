"""The part that keeps the projections' tables."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from commander.domain import Domain
from commander.eventstore.database import Database
from commander.eventstore.log.event_log import head_position
from commander.eventstore.projections.serving import BUILDING, table_records
from commander.parts.metrics import Measure
from commander.parts.part import Part
from commander.settings import Settings
from commander.streaming.nats.connection import Nats
from commander.streaming.projections.projectors import Projectors


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


async def of_projections(database: Database) -> list[Metric]:
    """Gauges of each projection's tables; a lag is counted in events."""
    head = await head_position(database)
    position = _by_table("position", "The last position folded.")
    lag = _by_table("lag_events", "How many events the log is ahead.")
    failed = _by_table("failed", "1 where it has stopped at an event that it cannot fold.")
    building = _by_table("building", "1 while its table is being filled.")
    for record in await table_records(database):
        of = [record.name, record.table_name, str(record.serving).lower()]
        position.add_metric(of, record.position)
        lag.add_metric(of, max(0, head - record.position))
        failed.add_metric(of, record.failed_position is not None)
        building.add_metric(of, record.state == BUILDING)
    return [position, lag, failed, building]


def _by_table(name: str, help_: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"commander_projection_{name}", help_, labels=["projection", "table", "serving"])
