"""f: one subscriber reads a long log from its beginning; and the memory of the API's process meanwhile."""

from __future__ import annotations

import asyncio
import time

from bench.feed.client import Seen, Watch
from bench.feed.cores import SERVER
from bench.feed.history import database_with_history
from bench.feed.plan import Bench
from bench.feed.subscribers import Subscribers, subscribed
from bench.measuring import Measure
from bench.processes import Process

RATE = "catch-up from position 0"
GROWTH = "catch-up: memory of the API's process, most after the first tenth less that at the first tenth"

_QUERY = """subscription {
  events(after: "0") { position ... on Event { type stream } ... on MoneyDeposited { amount } }
}"""
_SAMPLE_SECONDS = 0.1


async def measure_catchup(bench: Bench) -> list[Measure]:
    events = bench.plan.history_events
    template = await database_with_history(bench, events)
    async with bench.system(template) as system:
        stream = system.nats.names.events
        await system.nats.jetstream.purge_stream(stream, seq=events + 1)  # the mirror ends where the log does
        async with system.api("commander", "api", core=SERVER) as (port, process):
            before = process.memory()
            async with subscribed(Watch(port, _QUERY, 1, events, after=0)) as subscribers:
                seen, samples = await _sampled(subscribers, process)
    return [
        Measure(RATE, "events/s", seen.per_second),
        Measure("catch-up: memory of the API's process, before", "MB", before / 1e6),
        *(
            Measure(f"catch-up: memory of the API's process, at {share:.0%}", "MB", memory_at(samples, share))
            for share in (0.1, 0.25, 0.5, 0.75, 1)
        ),
        Measure(GROWTH, "MB", _growth(samples)),
    ]


Samples = list[tuple[float, int]]


async def _sampled(subscribers: Subscribers, process: Process) -> tuple[Seen, Samples]:
    """What the subscriber saw, and the memory in bytes at times from the first event to the last."""
    task = asyncio.create_task(subscribers.seen(timeout_seconds=1200))
    samples = [(time.perf_counter(), process.memory())]
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=_SAMPLE_SECONDS)
            samples.append((time.perf_counter(), process.memory()))
    finally:
        task.cancel()
    seen = await task
    during = [sample for sample in samples if seen.first <= sample[0] <= seen.last]
    return seen, during or samples[-1:]


def memory_at(samples: Samples, share: float) -> float:
    """MB at the sample after this share of the time."""
    return samples[min(len(samples) - 1, int(len(samples) * share))][1] / 1e6


def _growth(samples: Samples) -> float:
    later = samples[min(len(samples) - 1, int(len(samples) * 0.1)) :]
    return (max(memory for _, memory in later) - later[0][1]) / 1e6
