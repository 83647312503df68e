"""e: as many subscribers, each with a filter of its own: one stream, and an event for each stream in turn.

What is counted is the events that pass: each reaches one subscriber, and none of the others may see it.
"""

from __future__ import annotations

import msgspec

from bench.feed.client import Watch
from bench.feed.fanout import seen_while
from bench.feed.plan import Bench, Plan
from bench.feed.publishing import Publication, stream_of
from bench.feed.subjects import COMMANDER, GRAPHQL_WS_NODE, STRAWBERRY, Subject
from bench.feed.subscribers import subscribed
from bench.measuring import Measure


def filtered_rate_of(subject: Subject) -> str:
    return f"{subject.name}, each client with its own filter"


async def measure_filters(bench: Bench) -> list[Measure]:
    return [
        measure
        for subject in (COMMANDER, GRAPHQL_WS_NODE, STRAWBERRY)
        for measure in await _measure(bench, subject)
    ]


async def _measure(bench: Bench, subject: Subject) -> list[Measure]:
    clients = bench.plan.filtered_clients
    each = _events(bench.plan, subject) // clients
    streams = [stream_of(number) for number in range(clients)]
    async with subject.serve(bench) as server:
        watch = Watch(
            server.port,
            subject.filtered,
            clients,
            each,
            variables=[msgspec.Raw(msgspec.json.encode(subject.filter_of(stream))) for stream in streams],
            streams=streams,
        )
        async with subscribed(watch) as subscribers:
            before = server.process.cpu_seconds()
            publication = Publication(each * clients, bench.plan.filtered_per_second, clients)
            seen = await seen_while(subscribers, server.publish(publication))
            on_a_cpu = server.process.cpu_seconds() - before
    return [
        Measure(filtered_rate_of(subject), "events/s", seen.per_second),
        Measure(
            f"{filtered_rate_of(subject)}: time on a CPU of its process",
            "µs/event",
            on_a_cpu / seen.deliveries * 1e6,
        ),
    ]


def _events(plan: Plan, subject: Subject) -> int:
    return {
        COMMANDER.name: plan.filtered_commander,
        GRAPHQL_WS_NODE.name: plan.filtered_graphql_ws,
        STRAWBERRY.name: plan.filtered_strawberry,
    }[subject.name]
