"""a to d, h: the same events to all subscribers, for 10 to 5,000 of them; and what one that waits costs.

For each number of subscribers all servers are measured one after the other, each a fresh process. Events come
at a rate that is more than any of them can take; what counts is the time from the first event that any
subscriber receives to the last that the last one receives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress

from bench.feed.client import Seen, Watch
from bench.feed.plan import Bench, Plan
from bench.feed.publishing import Publication
from bench.feed.subjects import BARE, COMMANDER, GRAPHQL_WS_NODE, READY_MADE, STRAWBERRY, Subject
from bench.feed.subscribers import Subscribers, subscribed
from bench.measuring import Measure

SUBJECTS = (COMMANDER, GRAPHQL_WS_NODE, STRAWBERRY, READY_MADE, BARE)

_STREAMS = 100
_EVENTS = (20, 20_000)  # at least and at most, whatever the number of subscribers


def rate_of(subject: Subject, clients: int) -> str:
    return f"{subject.name}, {clients:,} clients"


def memory_of(subject: Subject, clients: int) -> str:
    return f"{subject.name}, {clients:,} clients: memory per idle subscriber"


async def measure_fanout(bench: Bench, letters: str, clients: int) -> list[Measure]:
    """One number of subscribers. letters: which of the servers."""
    chosen = (subject for subject in SUBJECTS if subject.letter in letters)
    return [measure for subject in chosen for measure in await _measure(bench, subject, clients)]


async def _measure(bench: Bench, subject: Subject, clients: int) -> list[Measure]:
    events = _events(bench.plan, subject, clients)
    async with subject.serve(bench) as server:
        without = server.process.memory()
        watch = Watch(server.port, subject.query, clients, events)
        async with subscribed(watch) as subscribers:
            idle = server.process.memory()
            before = server.process.cpu_seconds()
            per_second = bench.plan.offered_deliveries * subject.load / clients
            publication = Publication(events, per_second, _STREAMS)
            seen = await seen_while(subscribers, server.publish(publication))
            on_a_cpu = server.process.cpu_seconds() - before
    return [
        Measure(rate_of(subject, clients), "deliveries/s", seen.per_second),
        Measure(
            f"{rate_of(subject, clients)}: time on a CPU of its process",
            "µs/delivery",
            on_a_cpu / seen.deliveries * 1e6,
        ),
        Measure(memory_of(subject, clients), "KB", (idle - without) / clients / 1000),
    ]


async def seen_while(subscribers: Subscribers, publishing: Awaitable[None]) -> Seen:
    """What the subscribers saw of what is published meanwhile."""
    task = asyncio.ensure_future(publishing)
    try:
        seen = await subscribers.seen()
        await task
        return seen
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _events(plan: Plan, subject: Subject, clients: int) -> int:
    deliveries = {
        COMMANDER.name: plan.commander,
        GRAPHQL_WS_NODE.name: plan.graphql_ws,
        STRAWBERRY.name: plan.strawberry,
    }.get(subject.name, plan.limit)
    least, most = _EVENTS
    return max(least, min(most, deliveries // clients))
