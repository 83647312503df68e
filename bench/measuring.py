"""Measuring everything in turn, again and again, so that a drift of the machine hits all alike."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bench.processes import MeasurementFailed, output_of
from bench.servers import Servers
from commander.dev.embedded import EmbeddedPostgres
from commander.eventstore.database import Database
from commander.eventstore.migrate import migrate


class Measure(NamedTuple):
    """One number of one repetition."""

    name: str
    unit: str
    value: float


@dataclass(frozen=True)
class Repetition:
    """measures: of every subject, in the order they ran. load: the machine's load average before it."""

    load: float
    measures: tuple[Measure, ...]


Measuring = Callable[[Servers], Awaitable[list[Measure]]]


async def measure_in_turn(
    subjects: Mapping[str, Measuring], repetitions: int
) -> tuple[list[Repetition], dict[str, Any]]:
    """Each repetition measures every subject in turn. Also returns on what was measured.

    Raises MeasurementFailed, and whatever a subject raises: then the run is worth nothing.
    """
    folder = _folder()
    postgres = EmbeddedPostgres(folder / "postgres")
    try:
        await postgres.start()
        servers = Servers(folder, postgres)
        environment = await _prepare(servers)
        measured = [
            await _repetition(servers, subjects, f"{number} of {repetitions}")
            for number in range(1, repetitions + 1)
        ]
    finally:
        await postgres.stop()
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    return measured, environment


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="commander-bench-"))
    folder.chmod(0o711)  # Postgres may run as another user
    return folder


async def _repetition(servers: Servers, subjects: Mapping[str, Measuring], label: str) -> Repetition:
    load = os.getloadavg()[0]
    measures: list[Measure] = []
    for letter, measure in subjects.items():
        for found in await measure(servers):
            print(f"{label}  {letter}  {found.name}: {found.value:,.1f} {found.unit}", file=sys.stderr)
            measures.append(found)
    return Repetition(load, tuple(measures))


async def _prepare(servers: Servers) -> dict[str, Any]:
    """Makes the template of all databases; says on what is measured. Raises MeasurementFailed.

    What does not sync to disk is not measured.
    """
    database = Database(servers.postgres.url)
    try:
        await migrate(database)
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            if (value := await database.fetchval(f"show {setting}")) != "on":
                raise MeasurementFailed(f"Postgres runs with {setting} = {value}")
        postgres = await database.fetchval("show server_version")
    finally:
        await database.close()
    async with servers.nats() as nats:
        version = nats.client.connected_server_version
    node = (await output_of(["node", "--version"])).decode().strip().removeprefix("v")
    return {
        **machine(),
        "Postgres": postgres,
        "NATS": f"{version.major}.{version.minor}.{version.patch}",
        "node": node,
    }


def machine() -> dict[str, Any]:
    """What the numbers depend on and this process knows."""
    found = Path("/proc/cpuinfo").read_text("utf-8", "replace") if Path("/proc/cpuinfo").exists() else ""
    models = [line.partition(":")[2].strip() for line in found.splitlines() if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": os.cpu_count() or 0,
        "python": platform.python_version(),
    }


def percentile(values: Sequence[float], percent: float) -> float:
    """0 if there are none."""
    found = sorted(values)
    return found[min(len(found) - 1, int(len(found) * percent / 100))] if found else 0.0
