"""b: `commander dev`, on a data directory that is not there, and once more on the same."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from urllib.request import ProxyHandler, Request, build_opener
from uuid import uuid4

from bench.builds import Build
from bench.footprint.plan import Bench
from bench.footprint.started import memory_of_python, started
from bench.measuring import Measure
from bench.processes import MeasurementFailed
from commander.dev.embedded import free_port

READY_NEW = "commander dev: until ready, new data"
READY_AGAIN = "commander dev: until ready, again"
MEMORY = "commander dev: memory of its Python"

_MUTATION = 'mutation { openAccount(input: {owner: "A"}, options: {wait: APPLIED}) { __typename } }'


async def measure_tree(build: Build, bench: Bench) -> list[Measure]:
    """Also until the first command is applied; the memory is that at rest, after the first start."""
    data_dir = bench.folder / f"dev-{uuid4().hex[:8]}"
    port = free_port()
    arguments = ("dev", "--port", str(port), "--data-dir", str(data_dir))
    try:
        async with started(build, arguments, {}, bench.folder, port) as (process, new):
            applying = time.perf_counter()
            await asyncio.to_thread(_apply, port)
            applied = new + time.perf_counter() - applying
            await asyncio.sleep(bench.plan.rest_seconds)
            held = memory_of_python(process)
        async with started(build, arguments, {}, bench.folder, port) as (_, again):
            pass
    finally:
        await asyncio.to_thread(shutil.rmtree, data_dir, ignore_errors=True)
    return [
        Measure(READY_NEW + build.suffix, "s", new),
        Measure(f"commander dev: until the first command is applied{build.suffix}", "s", applied),
        Measure(READY_AGAIN + build.suffix, "s", again),
        Measure(MEMORY + build.suffix, "MiB resident", held.resident),
        Measure(f"{MEMORY}, shared pages by share{build.suffix}", "MiB", held.proportional),
    ]


def _apply(port: int) -> None:
    body = json.dumps({"query": _MUTATION}).encode()
    request = Request(f"http://127.0.0.1:{port}/graphql", body, {"content-type": "application/json"})
    with build_opener(ProxyHandler({})).open(request, timeout=60) as answer:
        said = answer.read().decode()
    if "CommandApplied" not in said:
        raise MeasurementFailed(f"the first command was not applied: {said}")
