"""GET /metrics: how the process and what it works on are, as Prometheus reads it.

What follows from Postgres and NATS is asked for at each call, so it is the same from whichever process, and
true when a part stands by. Where one of them is away what it would have said is left out, and
`commander_server_up` is 0.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from commander.domain.errors import Unavailable
from commander.eventstore.database import Database
from commander.eventstore.log.command_history import open_dead_letters
from commander.eventstore.log.event_log import ended_commands, head_position
from commander.parts.status_server import Answer, Answers
from commander.streaming.counters import Histogram
from commander.streaming.nats.connection import Nats

Measure = Callable[[], Awaitable[list[Metric]]]
"""Some metrics as they are now. May raise Unavailable."""


def metrics_answers(measures: Callable[[], Iterable[Measure]]) -> Answers:
    """GET /metrics: whatever of these can be measured now."""

    async def metrics() -> Answer:
        found: list[Metric] = []
        for measure in measures():
            with suppress(Unavailable):
                found += await measure()
        return Answer(200, CONTENT_TYPE_LATEST, _exposition(found))

    return {"/metrics": metrics}


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
    return [gauges("server_up", "1 while this process reaches it.", "server", up)]


async def of_the_log(database: Database) -> list[Metric]:
    head, ended = await head_position(database), await ended_commands(database)
    dead = await open_dead_letters(database)
    return [
        gauge("log_position", "The position of the newest event.", head),
        gauge("commands_ended", "How many commands have their outcome.", ended),
        gauge("dead_letters", "Failed commands that nobody has dealt with.", dead),
    ]


def gauge(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(f"commander_{name}", help_, value=value)


def gauges(name: str, help_: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"commander_{name}", help_, labels=[label])
    for labelled, value in values.items():
        family.add_metric([labelled], value)
    return family


def histogram(name: str, help_: str, held: Histogram) -> Metric:
    family = HistogramMetricFamily(f"commander_{name}", help_)
    family.add_metric([], list(_buckets(held)), held.sum)
    return family


def _buckets(held: Histogram) -> Iterator[tuple[str, float]]:
    bounds = [*(str(float(bound)) for bound in held.bounds), "+Inf"]
    return zip(bounds, accumulate(held.counts), strict=True)
