"""A domain of this benchmark in a build: its processors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.builds import NOW, Build
from bench.processes import Process
from bench.servers import System

DOMAIN = Path(__file__).parent / "domain"


@dataclass(frozen=True)
class Variant:
    """domain: module and name, as COMMANDER_DOMAIN. name: of its measures. unique: with unique keys."""

    domain: str
    name: str = ""
    build: Build = NOW
    unique: bool = False

    @asynccontextmanager
    async def processor(self, system: System) -> AsyncIterator[Process]:
        """A processor, from its start until it is told to end."""
        unique = "1" if self.unique else ""
        async with self.build.part(
            system, "processor", PYTHONPATH=str(DOMAIN), COMMANDER_DOMAIN=self.domain, BENCH_UNIQUE=unique
        ) as process:
            yield process
