"""The part that mirrors the log to JetStream."""

from __future__ import annotations

from functools import partial

from commander.eventstore.database import Database
from commander.eventstore.log.event_log import head_position
from commander.parts.exposition import Metric, gauge
from commander.parts.metrics import Measure
from commander.parts.part import Part
from commander.streaming.log.relay import Relay
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.streams import mirrored_position


class RelayPart(Part):
    """Mirrors the log to the stream EVENTS."""

    name = "relay"

    async def run(self, database: Database, nats: Nats) -> None:
        await Relay(database, nats).run()

    def own_measures(self, database: Database, nats: Nats) -> list[Measure]:
        return [partial(of_the_relay, database, nats)]


async def of_the_relay(database: Database, nats: Nats) -> list[Metric]:
    position, head = await mirrored_position(nats), await head_position(database)
    return [
        gauge("relay_position", "The position up to which the log is mirrored.", position),
        gauge("relay_lag_events", "How many events it is behind the log.", max(0, head - position)),
    ]
