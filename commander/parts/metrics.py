"""GET /metrics: how the process and what it works on are, as Prometheus reads it.

What follows from Postgres and NATS is asked for at each call, so it is the same from whichever process, and
true when a part stands by. Where one of them is away what it would have said is left out, and
`commander_server_up` is 0.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from commander.domain.errors import Unavailable
from commander.eventstore.database import Database
from commander.eventstore.log.checkpoints import partition_progress, settled_partitions
from commander.eventstore.log.command_history import open_dead_letters
from commander.eventstore.log.event_log import ended_commands, head_position
from commander.eventstore.projections.serving import BUILDING, table_records
from commander.eventstore.reactions.effects import effect_positions, open_effect_failures
from commander.eventstore.reactions.reactors import reactor_positions
from commander.streaming.commands.outcomes import OutcomeWaiter
from commander.streaming.commands.processor import Processor
from commander.streaming.commands.submitting import Submitter
from commander.streaming.counters import Histogram
from commander.streaming.feed.feed import Feed
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.streams import mirrored_position, queue_depth

if TYPE_CHECKING:
    from commander.schema.http.connections import Streams

Measure = Callable[[], Awaitable[list[Metric]]]
"""Some metrics as they are now. May raise Unavailable."""


def metrics_route(measures: Callable[[], Iterable[Measure]]) -> BaseRoute:
    """Answers with whatever of these can be measured now."""

    async def metrics(_: Request) -> Response:
        found: list[Metric] = []
        for measure in measures():
            with suppress(Unavailable):
                found += await measure()
        return Response(_exposition(found), media_type=CONTENT_TYPE_LATEST)

    return Route("/metrics", metrics)


class _Measured(Collector):
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> list[Metric]:
        return self._metrics


def _exposition(metrics: list[Metric]) -> bytes:
    once = CollectorRegistry(auto_describe=False)
    once.register(_Measured(metrics))
    return generate_latest(once)


async def servers_up(database: Database | None, nats: Nats | None) -> list[Metric]:
    up = {"nats": nats is not None and nats.connected, "postgres": False}
    with suppress(Unavailable):
        if database is not None:
            await database.ping()
            up["postgres"] = True
    return [_gauges("server_up", "1 while this process reaches it.", "server", up)]


async def of_the_log(database: Database) -> list[Metric]:
    head, ended = await head_position(database), await ended_commands(database)
    dead = await open_dead_letters(database)
    return [
        _gauge("log_position", "The position of the newest event.", head),
        _gauge("commands_ended", "How many commands have their outcome.", ended),
        _gauge("dead_letters", "Failed commands that nobody has dealt with.", dead),
    ]


async def of_the_queue(database: Database, nats: Nats) -> list[Metric]:
    """What waits to be decided. A partition's lag is counted in messages of all partitions."""
    depth = await queue_depth(nats)
    async with database.connection() as connection:
        partitions = range(await settled_partitions(database))
        progress = await partition_progress(connection, list(partitions))
    purged = depth.first_sequence - 1
    decided = {partition: one.in_stream(depth.created) for partition, one in progress.items()}
    lags = {str(p): max(0, depth.last_sequence - max(at, purged)) for p, at in decided.items()}
    return [
        _gauge("queue_messages", "Messages of COMMANDS that are not yet purged.", depth.messages),
        _gauge("queue_bytes", "Their size.", depth.bytes),
        _gauges("partition_lag_messages", "How far deciding is behind the queue.", "partition", lags),
    ]


async def of_a_processor(processor: Processor | None) -> list[Metric]:
    if processor is None:
        return []
    tally = processor.tally
    outcomes = CounterMetricFamily(
        "commander_commands_decided", "Commands decided by this process.", labels=["type", "status"]
    )
    for (type_, status), count in tally.outcomes.items():
        outcomes.add_metric([type_, status], count)
    return [
        outcomes,
        _histogram("batch_commands", "Commands in a transaction.", tally.batch_sizes),
        _histogram("commit_seconds", "How long a transaction took.", tally.commit_seconds),
        _gauge("partitions_owned", "Partitions that this process decides.", len(processor.owned)),
    ]


async def of_the_relay(database: Database, nats: Nats) -> list[Metric]:
    position, head = await mirrored_position(nats), await head_position(database)
    return [
        _gauge("relay_position", "The last position mirrored.", position),
        _gauge("relay_lag_events", "How many events the log is ahead.", max(0, head - position)),
    ]


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


async def of_reactors(database: Database, failures: Mapping[str, str | None]) -> list[Metric]:
    """failures: why each of this process's reactors has stopped, if it has."""
    head = await head_position(database)
    positions = {name: at for name, at in (await reactor_positions(database)).items() if name in failures}
    lags = {name: max(0, head - position) for name, position in positions.items()}
    failed = {name: failure is not None for name, failure in failures.items()}
    return [
        _gauges("reactor_position", "The last position reacted to.", "reactor", positions),
        _gauges("reactor_lag_events", "How many events the log is ahead.", "reactor", lags),
        _gauges("reactor_failed", "1 where it has stopped at an event.", "reactor", failed),
    ]


async def of_effects(database: Database) -> list[Metric]:
    head, positions = await head_position(database), await effect_positions(database)
    lags = {name: max(0, head - position) for name, position in positions.items()}
    failures = await open_effect_failures(database)
    return [
        _gauges("effect_position", "What stands up to here was called.", "effect", positions),
        _gauges("effect_lag_events", "How many events the log is ahead.", "effect", lags),
        _gauges("effect_failures", "Failed calls that nobody has dealt with.", "effect", failures),
    ]


async def of_submitting(submitter: Submitter, outcomes: OutcomeWaiter) -> list[Metric]:
    submitted = CounterMetricFamily("commander_commands_submitted", "Commands stored by this process.")
    submitted.add_metric([], submitter.submitted)
    return [
        submitted,
        _gauge("submit_waiting", "Commands on their way to JetStream.", submitter.waiting),
        _gauge("outcomes_waiting", "Mutations that wait for their outcome.", outcomes.waiting),
    ]


async def of_the_feed(feed: Feed, streams: Streams) -> list[Metric]:
    return [
        _gauge("subscribers", "Subscribers of events.", feed.subscribers),
        _gauge("feed_channels", "Kinds of subscribers: those of one kind share.", feed.groups),
        _gauge("feed_position", "The last position that subscribers were told.", feed.position),
        _gauge("connections", "WebSockets and streamed responses.", streams.connections),
    ]


def _gauge(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(f"commander_{name}", help_, value=value)


def _gauges(name: str, help_: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"commander_{name}", help_, labels=[label])
    for labelled, value in values.items():
        family.add_metric([labelled], value)
    return family


def _by_table(name: str, help_: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"commander_projection_{name}", help_, labels=["projection", "table", "serving"])


def _histogram(name: str, help_: str, held: Histogram) -> Metric:
    family = HistogramMetricFamily(f"commander_{name}", help_)
    family.add_metric([], list(_buckets(held)), held.sum)
    return family


def _buckets(held: Histogram) -> Iterator[tuple[str, float]]:
    bounds = [*(str(float(bound)) for bound in held.bounds), "+Inf"]
    return zip(bounds, accumulate(held.counts), strict=True)
