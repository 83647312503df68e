"""The servers and the parts, each a process. A part can be killed, and comes back."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from bench.processes import MeasurementFailed, Process, output_of, until_it_answers
from bench.whole.plan import Plan
from commander.cli.joining import join
from commander.dev.embedded import EmbeddedNats, EmbeddedPostgres, EmbeddedServer, free_ports
from commander.eventstore.database import Database
from commander.eventstore.log.identity import identity_of
from commander.streaming.nats.connection import Nats

_READY_SECONDS = 60.0


@dataclass
class Part:
    """A part. name: such as "processor 2". port: where it answers for its health; for an API: the API's."""

    name: str
    kind: str
    port: int
    process: Process


@dataclass
class System:
    """servers: the processes of Postgres and NATS by name, if they were started here."""

    folder: Path
    postgres_url: str
    nats_url: str
    servers: dict[str, int]
    database: Database
    nats: Nats
    parts: list[Part] = field(default_factory=list)

    @property
    def api_ports(self) -> list[int]:
        return [part.port for part in self.parts if part.kind == "api"]

    @property
    def environment(self) -> dict[str, str]:
        """The variables that a part or a command needs."""
        urls = {"COMMANDER_POSTGRES_URL": self.postgres_url, "COMMANDER_NATS_URL": self.nats_url}
        return {**urls, "COMMANDER_AUTH": "none"}

    def processes(self) -> dict[str, int]:
        """The ids of all that run now, by name."""
        running = {part.name: part.process.pid for part in self.parts if not part.process.has_ended}
        return {**self.servers, **running}

    async def start(self, names: Sequence[str]) -> None:
        """Starts these parts and waits until they are ready. Raises MeasurementFailed."""
        ports = free_ports(len(names))
        kinds = [name.partition(" ")[0] for name in names]
        made = [
            Part(name, kind, port, await self._started(kind, port))
            for name, kind, port in zip(names, kinds, ports, strict=True)
        ]
        self.parts += made
        await asyncio.gather(*(_until_ready(part) for part in made))

    def kill(self, kind: str) -> Part:
        """kill -9 of the first process of this kind that runs."""
        for part in self.parts:
            if part.kind == kind and not part.process.has_ended:
                os.kill(part.process.pid, signal.SIGKILL)
                return part
        raise MeasurementFailed(f"no {kind} runs that could be killed")

    async def bring_back(self, part: Part) -> None:
        """Starts a killed part again, on its port. Raises MeasurementFailed."""
        part.process = await self._started(part.kind, part.port)
        await _until_ready(part)

    async def verified(self) -> bytes:
        """What `commander verify --json` prints. Raises MeasurementFailed if a guarantee does not hold."""
        command = [sys.executable, "-m", "commander", "verify", "--json"]
        return await output_of(command, self.environment, timeout_seconds=1800)

    async def stop(self) -> None:
        await asyncio.gather(*(part.process.stop() for part in self.parts))

    async def _started(self, kind: str, port: int) -> Process:
        own = {"COMMANDER_PORT" if kind == "api" else "COMMANDER_HEALTH_PORT": str(port)}
        log = self.folder / f"{kind}-{uuid4().hex[:8]}.log"
        return await Process.started(
            [sys.executable, "-m", "commander", kind], {**self.environment, **own}, log
        )


@asynccontextmanager
async def system(plan: Plan, postgres_url: str | None, nats_url: str | None) -> AsyncIterator[System]:
    """All parts of the plan, ready, on empty servers: those of these URLs, or new ones that go with the run.

    Raises MeasurementFailed, also if the log is not empty, and EmbeddedServerFailed.
    """
    folder = _folder()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(asyncio.to_thread, shutil.rmtree, folder, ignore_errors=True)
        servers = dict[str, int]()

        async def started(name: str, server: EmbeddedServer) -> str:
            await server.start()
            stack.push_async_callback(server.stop)
            assert server.process is not None, "it was started"
            servers[name] = server.process.pid
            return server.url

        if postgres_url is None:
            postgres_url = await started("Postgres", EmbeddedPostgres(folder / "postgres"))
        if nats_url is None:
            nats_url = await started("NATS", EmbeddedNats(folder / "nats"))
        database, nats = Database(postgres_url), Nats(nats_url)
        stack.push_async_callback(database.close)
        stack.push_async_callback(nats.close)
        made = System(folder, postgres_url, nats_url, servers, database, nats)
        stack.push_async_callback(made.stop)
        await _must_be_new(made)
        await made.start(["relay"])  # it makes the tables and the streams
        await made.start(
            [
                *(f"api {number}" for number in range(1, plan.apis + 1)),
                *(f"processor {number}" for number in range(1, plan.processors + 1)),
                *("projections", "reactors"),
            ]
        )
        await nats.connect("bench")
        await join(nats, database)
        yield made


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="commander-load-"))
    folder.chmod(0o711)  # Postgres may run as another user
    return folder


async def _must_be_new(made: System) -> None:
    """Raises MeasurementFailed: a load is for nobody's data."""
    known = await made.database.fetchval("select to_regclass('system_identity') is not null")
    if known and await identity_of(made.database) is not None:
        raise MeasurementFailed("a system has run on this database: give servers with nothing in them")


async def _until_ready(part: Part) -> None:
    url = f"http://127.0.0.1:{part.port}/health/ready"
    await until_it_answers(part.process, url, timeout_seconds=_READY_SECONDS)
