"""a: each part, started one after the other on servers that have its tables and streams."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from uuid import uuid4

from bench.builds import Build
from bench.footprint.plan import Bench
from bench.footprint.started import Started, memory_of, started
from bench.measuring import Measure
from commander.dev.embedded import EmbeddedNats, free_port

PARTS = ("processor", "relay", "projections", "reactors", "effects")


def memory(part: str) -> str:
    return f"{part}: memory"


def until_ready(part: str) -> str:
    return f"{part}: until ready"


async def measure_parts(build: Build, bench: Bench) -> list[Measure]:
    """Times as they start, then the memory of all at rest."""
    nats = EmbeddedNats(bench.folder / f"nats-{uuid4().hex[:8]}")
    await nats.start()
    try:
        async with bench.database(migrated=False) as url:
            urls = {"COMMANDER_POSTGRES_URL": url, "COMMANDER_NATS_URL": nats.url}
            return await _measure(build, bench, {**urls, "COMMANDER_AUTH": "none"})
    finally:
        await nats.stop()
        await asyncio.to_thread(shutil.rmtree, nats.data_dir)


async def _measure(build: Build, bench: Bench, servers: dict[str, str]) -> list[Measure]:
    def starting(part: str) -> AbstractAsyncContextManager[Started]:
        port = free_port()
        variable = "COMMANDER_PORT" if part == "api" else "COMMANDER_HEALTH_PORT"
        return started(build, (part,), {**servers, variable: str(port)}, bench.folder, port)

    async with starting("relay"):  # the first makes the tables and the streams, and is not measured
        pass
    async with AsyncExitStack() as stack:
        running = {part: await stack.enter_async_context(starting(part)) for part in (*PARTS, "api")}
        await asyncio.sleep(bench.plan.rest_seconds)
        measures = []
        for part, (process, seconds) in running.items():
            held = memory_of(process)
            measures += [
                Measure(until_ready(part) + build.suffix, "s", seconds),
                Measure(memory(part) + build.suffix, "MiB resident", held.resident),
                Measure(f"{part}: memory, shared pages by share{build.suffix}", "MiB", held.proportional),
            ]
        return measures
