"""c: `commander --help`, from the start of its process to its end."""

from __future__ import annotations

import time
from statistics import median

from bench.builds import Build
from bench.footprint.plan import Bench
from bench.measuring import Measure
from bench.processes import output_of

HELP = "commander --help"


async def measure_help(build: Build, bench: Bench) -> list[Measure]:
    """The median of several."""
    seconds = []
    for _ in range(bench.plan.helps):
        began = time.perf_counter()
        await output_of([build.command, "--help"], build.variables, folder=bench.folder)
        seconds.append(time.perf_counter() - began)
    return [Measure(HELP + build.suffix, "s", median(seconds))]
