"""The part that folds the log into the projections' tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from commander.domain import Domain
from commander.eventstore.database import Database
from commander.eventstore.log.event_log import head_position
from commander.eventstore.projections.keeping import kept_up
from commander.eventstore.projections.serving import BUILDING, TableRecord, table_records
from commander.parts.exposition import Metric, labelled
from commander.parts.metrics import Measure
from commander.parts.part import Part
from commander.settings import Settings
from commander.streaming.nats.connection import Nats
from commander.streaming.projections.projectors import Projectors


class ProjectionsPart(Part):
    """Folds the log into the projections' tables.

    It is ready when those of its code are built without an error and each serving table is kept up.
    """

    name = "projections"
    garbage_thresholds = (50_000, 10, 10)  # a log range makes thousands of short-lived objects

    def __init__(self, settings: Settings, domain: Domain) -> None:
        super().__init__(settings, domain)
        self._projectors: Projectors | None = None

    async def run(self, database: Database, nats: Nats) -> None:
        seconds = self.settings.projection_takeover_seconds
        self._projectors = Projectors(self.domain, database, nats, seconds)
        await self._projectors.run()

    def own_measures(self, database: Database, nats: Nats) -> list[Measure]:
        return [partial(of_projections, database)]

    def own_readiness(self) -> Mapping[str, str]:
        states = {} if self._projectors is None else self._projectors.states()
        missing = "there is no table for this code; restart the part to create it"
        return {f"projection {name}": states.get(name, missing) for name in self.domain.projections}


async def of_projections(database: Database) -> list[Metric]:
    """Gauges of each projection's tables. A lag is counted in events."""
    head, records = await head_position(database), await table_records(database)
    kept = await kept_up(database, [one.table_name for one in records])

    def by_table(name: str, help: str, value: Callable[[TableRecord], float]) -> Metric:
        return labelled("gauge", f"projection_{name}", help, ((_labels(one), value(one)) for one in records))

    return [
        by_table("position", "The position up to which the log is folded.", lambda one: one.position),
        by_table(
            "lag_events", "How many events it is behind the log.", lambda one: max(0, head - one.position)
        ),
        by_table(
            "failed",
            "1 if it has stopped at an event that it cannot fold.",
            lambda one: one.failed_position is not None,
        ),
        by_table("building", "1 while the table is being built.", lambda one: one.state == BUILDING),
        by_table("kept_up", "1 if a process keeps it up with the log.", lambda one: one.table_name in kept),
    ]


def _labels(one: TableRecord) -> dict[str, str]:
    return {"projection": one.name, "table": one.table_name, "serving": str(one.serving).lower()}
