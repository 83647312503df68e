"""The part that decides commands."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from commander.eventstore.database import Database
from commander.eventstore.sharing import undecided_before
from commander.parts.exposition import Metric, gauge, gauges, histogram, labelled
from commander.parts.metrics import Measure
from commander.parts.part import Part, run_all
from commander.streaming.commands.lags import partition_lags
from commander.streaming.commands.processor import Processor
from commander.streaming.commands.processor_settings import ProcessorSettings
from commander.streaming.commands.sending_again import LossWatch
from commander.streaming.commands.submitting import Submitter
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.streams import queue_depth


class ProcessorPart(Part):
    """Decides commands. It is ready also while it has no partitions and waits to take over some."""

    name = "processor"
    garbage_thresholds = (50_000, 10, 10)  # a batch makes thousands of short-lived objects
    _processor: Processor | None = None

    async def run(self, database: Database, nats: Nats) -> None:
        settings = ProcessorSettings(self.settings.partitions, self.settings.batch_size)
        self._processor = Processor(self.domain, database, nats, settings)
        lost = LossWatch(database, nats, Submitter(nats, self.settings.partitions))
        await run_all(self._processor.run(), lost.run())

    def own_readiness(self) -> Mapping[str, str]:
        refused = () if self._processor is None else self._processor.refused
        return {f"partition {one.partition}": undecided_before(one) for one in refused}

    def own_measures(self, database: Database, nats: Nats) -> list[Measure]:
        return [partial(of_a_processor, self._processor), partial(of_the_queue, database, nats)]


async def of_a_processor(processor: Processor | None) -> list[Metric]:
    if processor is None:
        return []
    counters = processor.counters
    outcomes = [
        ({"type": type_, "status": status}, count) for (type_, status), count in counters.outcomes.items()
    ]
    return [
        labelled("counter", "commands_decided_total", "Commands decided by this process.", outcomes),
        histogram("batch_commands", "Commands per transaction.", counters.batch_sizes),
        histogram("commit_seconds", "Duration of a transaction.", counters.commit_seconds),
        gauge("partitions_owned", "Partitions that this process decides.", len(processor.owned)),
        gauge(
            "partitions_waiting",
            "Partitions at a command that the code of no running processor can decide.",
            len(processor.refused),
        ),
    ]


async def of_the_queue(database: Database, nats: Nats) -> list[Metric]:
    """The queue of commands. The lag of a partition is counted in messages of all partitions."""
    depth = await queue_depth(nats)
    lags = {str(partition): lag for partition, lag in (await partition_lags(database, depth)).items()}
    return [
        gauge("queue_messages", "Messages in the stream COMMANDS.", depth.messages),
        gauge("queue_bytes", "The size of these messages.", depth.bytes),
        gauges(
            "partition_lag_messages",
            "How many messages the partition is behind the queue.",
            "partition",
            lags,
        ),
    ]
