"""g: what the disk alone takes: an fsync, a synced publish, a commit, each by itself, one after the other."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from uuid import uuid4

from bench.feed.plan import Bench
from bench.feed.publishing import Publication, deposited
from bench.filling import deposits
from bench.measuring import Measure
from bench.servers import PARTITIONS, System
from commander.eventstore.log.event_log import append
from commander.streaming.commands.messages import message_of

ALONE = "disk alone: a synced publish and a commit, p50"

_BYTES = 1024


async def measure_disk(bench: Bench) -> list[Measure]:
    count = bench.plan.synced
    synced = await asyncio.to_thread(_fsyncs, bench.folder / "synced", count)
    async with bench.system() as system:
        published = await _publishes(system, count)
        committed = await _commits(system, count)
    return [
        Measure(f"disk alone: write and fsync of {_BYTES:,} bytes, p50", "ms", median(synced)),
        Measure("disk alone: publish of a command, p50", "ms", median(published)),
        Measure("disk alone: commit of a command and its event, p50", "ms", median(committed)),
        Measure(ALONE, "ms", median(published) + median(committed)),
    ]


def _fsyncs(path: Path, count: int) -> list[float]:
    milliseconds = []
    with path.open("wb", buffering=0) as file:
        for _ in range(count):
            began = time.perf_counter()
            file.write(bytes(_BYTES))
            os.fsync(file.fileno())
            milliseconds.append((time.perf_counter() - began) * 1000)
    return milliseconds


async def _publishes(system: System, count: int) -> list[float]:
    commands = deposits([uuid4()], count)
    messages = iter([message_of(system.nats.names, command, PARTITIONS) for command in commands])

    async def publish() -> None:
        message = next(messages)
        await system.nats.jetstream.publish(message.subject, message.payload)

    return await _timed(publish, count)


async def _commits(system: System, count: int) -> list[float]:
    decisions = iter(deposited(Publication(count, per_second=0, streams=100)))
    async with system.database.connection() as connection:

        async def commit() -> None:
            await append(connection, [next(decisions)], None)

        return await _timed(commit, count)


async def _timed(work: Callable[[], Awaitable[None]], count: int) -> list[float]:
    milliseconds = []
    for _ in range(count):
        began = time.perf_counter()
        await work()
        milliseconds.append((time.perf_counter() - began) * 1000)
    return milliseconds
