"""The part that mirrors the log to JetStream."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from commander.eventstore.database import Database
from commander.eventstore.log.event_log import head_position
from commander.eventstore.log.stored_names import count_names
from commander.parts.exposition import Metric, gauge
from commander.parts.metrics import Measure
from commander.parts.part import Part, run_all
from commander.streaming.log.relay import Relay
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.streams import mirrored_position
from commander.streaming.running import keep_running

logger = logging.getLogger("commander.relay")

_COUNT_SECONDS = 30.0


class RelayPart(Part):
    """Mirrors the log to the stream EVENTS."""

    name = "relay"
    mirrors = True

    async def run(self, database: Database, nats: Nats) -> None:
        await run_all(Relay(database, nats).run(), keep_running(partial(_keep_counted, database), logger))

    def own_measures(self, database: Database, nats: Nats) -> list[Measure]:
        return [partial(of_the_relay, database, nats)]


async def _keep_counted(database: Database) -> None:
    """Counts the stored names from time to time, so that no part has much to count when it starts."""
    while True:
        await asyncio.sleep(_COUNT_SECONDS)
        await count_names(database)


async def of_the_relay(database: Database, nats: Nats) -> list[Metric]:
    position, head = await mirrored_position(nats), await head_position(database)
    return [
        gauge("relay_position", "The position up to which the log is mirrored.", position),
        gauge("relay_lag_events", "How many events it is behind the log.", max(0, head - position)),
    ]
