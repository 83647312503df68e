"""The domain in a build, with rules or without, as a system that runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

from bench.builds import Build
from bench.processes import Process, until_it_answers
from bench.rights.viewers import SECRET
from bench.servers import Servers, System
from commander.dev.embedded import free_port

DOMAIN = Path(__file__).parent / "domain"


@dataclass(frozen=True)
class Variant:
    """name: of its measures. ruled: with rules, and tokens."""

    name: str
    build: Build
    ruled: bool = False

    @asynccontextmanager
    async def system(self, servers: Servers) -> AsyncIterator[System]:
        """A system with the tables of the build, and no process of it yet."""
        async with self.build.system(servers) as system:
            yield system

    @asynccontextmanager
    async def part(
        self, system: System, *arguments: str, core: int | None = None, **settings: str
    ) -> AsyncIterator[Process]:
        """A part, from its start until it is told to end."""
        rules = {"BENCH_RULES": "1", "COMMANDER_AUTH": "jwt", "COMMANDER_AUTH_SECRET": SECRET}
        environment = {
            "PYTHONPATH": str(DOMAIN),
            "COMMANDER_DOMAIN": "branches:bank",
            **(rules if self.ruled else {}),
            **settings,
        }
        async with self.build.part(system, *arguments, core=core, **environment) as process:
            yield process

    @asynccontextmanager
    async def api(self, system: System, core: int | None = None) -> AsyncIterator[Api]:
        """An API that is ready."""
        port, health_port = free_port(), free_port()
        ports = {"COMMANDER_PORT": str(port), "COMMANDER_HEALTH_PORT": str(health_port)}
        async with self.part(system, "api", core=core, **ports) as process:
            await until_it_answers(process, f"http://127.0.0.1:{port}/health/ready", timeout_seconds=60)
            yield Api(port, process, f"http://127.0.0.1:{health_port}/metrics")


@dataclass(frozen=True)
class Api:
    """metrics: the URL of its metrics."""

    port: int
    process: Process
    metrics: str

    def metric(self, name: str) -> float:
        """A metric without labels, as it is now."""
        with build_opener(ProxyHandler({})).open(self.metrics, timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        [value] = (line.split()[1] for line in lines if line.split(" ")[0] == name)
        return float(value)
