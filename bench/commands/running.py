"""The servers, a database and a NATS for each use, and the processes that are measured or measure.

Everything is under one folder and ends with the run: servers and processes are told to end when their parent
dies, and nothing is ended that was not started here.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.request import ProxyHandler, build_opener
from uuid import uuid4

import psutil

from bench.commands.plan import Plan
from commander.domain import CommanderError
from commander.embedded import EmbeddedNats, EmbeddedPostgres, ends_with_parent, free_port
from commander.settings import read_settings
from eventstore.checkpoints import settle_partitions
from eventstore.database import Database
from streaming.connection import Nats
from streaming.streams import ensure_streams

ROOT = Path(__file__).resolve().parents[2]
PARTITIONS = read_settings().partitions


class MeasurementFailed(CommanderError):
    """A process that was measured, or that measured, ended or was not done in time; with its last lines."""


class Measure(NamedTuple):
    """One number of one repetition."""

    name: str
    unit: str
    value: float


@dataclass(frozen=True)
class Timed:
    """What a process that measures prints as JSON: how many, and how long they took."""

    commands: int
    seconds: float

    @property
    def per_second(self) -> float:
        return self.commands / self.seconds


@dataclass(frozen=True)
class Bench:
    """plan: how much. folder: for all that is made. postgres: the one server that all subjects share."""

    plan: Plan
    folder: Path
    postgres: EmbeddedPostgres

    @asynccontextmanager
    async def database(self, *, migrated: bool = True) -> AsyncIterator[str]:
        """The URL of a database of one's own: with Commander's tables, or with none."""
        name = f"bench_{uuid4().hex}"
        admin = Database(self.postgres.url.replace(f"/{self.postgres.database}?", "/postgres?"))
        template = self.postgres.database if migrated else "template1"
        try:
            await admin.fetch(f'create database "{name}" template "{template}"')
            await admin.fetch("checkpoint")  # so that none pays for what another wrote
            yield self.postgres.url.replace(f"/{self.postgres.database}?", f"/{name}?")
            await admin.fetch(f'drop database "{name}" with (force)')
        finally:
            await admin.close()

    @asynccontextmanager
    async def nats(self) -> AsyncIterator[Nats]:
        """A connection to a NATS of one's own, with its streams made; its data goes with it."""
        server = EmbeddedNats(self.folder / f"nats-{uuid4().hex[:8]}")
        await server.start()
        nats = Nats(server.url)
        try:
            await nats.connect("bench")
            await ensure_streams(nats, replicas=1)
            yield nats
        finally:
            await nats.close()
            await server.stop()
            await asyncio.to_thread(shutil.rmtree, server.data_dir)

    @asynccontextmanager
    async def system(self) -> AsyncIterator[System]:
        """An empty system: a database and a NATS, and no process of ours yet."""
        async with self.database() as url, self.nats() as nats:
            database = Database(url)
            try:
                await settle_partitions(database, PARTITIONS)
                yield System(self.folder, database, nats)
            finally:
                await database.close()


@dataclass(frozen=True)
class System:
    """database and nats: this process's own connections."""

    folder: Path
    database: Database
    nats: Nats

    @asynccontextmanager
    async def part(self, module: str, *arguments: str) -> AsyncIterator[Process]:
        """A part as a process, from its start until it is told to end."""
        environment = {
            "COMMANDER_POSTGRES_URL": self.database.url,
            "COMMANDER_NATS_URL": self.nats.servers[0],
        }
        process = await Process.started(
            [sys.executable, "-m", module, *arguments], environment, self.folder / f"{uuid4().hex}.log"
        )
        try:
            yield process
        finally:
            await process.stop()

    @asynccontextmanager
    async def parts(self, *names: str) -> AsyncIterator[None]:
        """Several parts of `commander`, each a process of its own."""
        async with AsyncExitStack() as stack:
            for name in names:
                await stack.enter_async_context(self.part("commander.cli", name))
            yield

    @asynccontextmanager
    async def api(self, module: str, *arguments: str) -> AsyncIterator[tuple[int, Process]]:
        """An API that is ready: its port, and its process."""
        port = free_port()
        async with self.part(module, *arguments, "--port", str(port)) as process:

            async def ready() -> bool:
                process.must_run()
                return await asyncio.to_thread(_is_ready, port)

            await until(ready, timeout_seconds=30)
            yield port, process


async def until(reached: Callable[[], Awaitable[bool]], timeout_seconds: float) -> None:
    """Waits for what can only be asked for. Raises TimeoutError."""
    async with asyncio.timeout(timeout_seconds):
        while not await reached():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


class Process:
    """A process that runs until it is stopped, and what it wrote."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log

    @classmethod
    async def started(cls, command: Sequence[str], environment: Mapping[str, str], log: Path) -> Process:
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *command,
                env=_environment(environment),
                cwd=ROOT,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=ends_with_parent(),
            )
        return cls(process, log)

    def cpu_seconds(self) -> float:
        """How long it has been on a CPU since its start."""
        times = psutil.Process(self._process.pid).cpu_times()
        return float(times.user + times.system)

    def must_run(self) -> None:
        """Raises MeasurementFailed when it has ended by itself."""
        if self._process.returncode is not None:
            raise MeasurementFailed(f"a process ended by itself:\n{_last_lines(self._log.read_bytes())}")

    async def stop(self, timeout_seconds: float = 15) -> None:
        if self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


async def output_of(
    command: Sequence[str | Path],
    environment: Mapping[str, str] | None = None,
    given: bytes = b"",
    timeout_seconds: float = 300,
    folder: Path = ROOT,
) -> bytes:
    """What a command prints, run to its end. Raises MeasurementFailed."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        env=_environment(environment or {}),
        cwd=folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        preexec_fn=ends_with_parent(),
    )
    try:
        async with asyncio.timeout(timeout_seconds):
            out, err = await process.communicate(given)
    except TimeoutError:
        raise MeasurementFailed(f"{command[0]} was not done in {timeout_seconds} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise MeasurementFailed(f"{command[0]} ended with {process.returncode}:\n{_last_lines(err or out)}")
    return out


async def measured_by(module: str, *arguments: str, given: bytes = b"") -> bytes:
    """What a module of this benchmark prints when it measures, as a process of its own."""
    return await output_of([sys.executable, "-m", f"bench.commands.{module}", *arguments], given=given)


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("COMMANDER_")}
    return {**inherited, "PYTHONPATH": str(ROOT), **given}


def _is_ready(port: int) -> bool:
    try:
        with build_opener(ProxyHandler({})).open(f"http://127.0.0.1:{port}/health/ready", timeout=2):
            return True
    except OSError:
        return False


def _last_lines(written: bytes) -> str:
    return "\n".join(written.decode("utf-8", "replace").splitlines()[-12:])
