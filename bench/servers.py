"""The servers that all subjects share, and a database, a NATS or a whole system for each use.

Everything is under one folder and goes with the run.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

from bench.processes import Process, until, until_it_answers
from commander.dev.embedded import EmbeddedNats, EmbeddedPostgres, free_port
from commander.eventstore.database import Database
from commander.eventstore.log.checkpoints import settle_partitions
from commander.eventstore.log.event_log import head_position
from commander.eventstore.log.identity import Identity, settle_identity
from commander.settings import read_settings
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.names import Names
from commander.streaming.nats.streams import ensure_streams

PARTITIONS = read_settings().partitions


BANK = Identity("bank", UUID(int=0))
"""The system on a NATS that no database belongs to."""


@dataclass(frozen=True)
class Servers:
    """folder: for all that is made. postgres: the one server that all subjects share."""

    folder: Path
    postgres: EmbeddedPostgres

    @asynccontextmanager
    async def database(self, *, migrated: bool = True, template: str | None = None) -> AsyncIterator[str]:
        """The URL of a database of one's own: with Commander's tables, with none, or like the template."""
        name = f"bench_{uuid4().hex}"
        admin = Database(
            self.postgres.url.replace(f"/{self.postgres.database}?", "/postgres?"),
            command_timeout_seconds=600,  # a template may be large
        )
        template = template or (self.postgres.database if migrated else "template1")
        try:
            await admin.fetch(f'create database "{name}" template "{template}"')
            await admin.fetch("checkpoint")  # so that none pays for what another wrote
            yield self.postgres.url.replace(f"/{self.postgres.database}?", f"/{name}?")
            await admin.fetch(f'drop database "{name}" with (force)')
        finally:
            await admin.close()

    @asynccontextmanager
    async def nats(self, identity: Identity | None = None) -> AsyncIterator[Nats]:
        """A connection to a NATS of one's own, with its streams made; its data goes with it."""
        server = EmbeddedNats(self.folder / f"nats-{uuid4().hex[:8]}")
        await server.start()
        nats = Nats(server.url, Names(identity or BANK))
        try:
            await nats.connect("bench")
            await ensure_streams(nats, replicas=1)
            yield nats
        finally:
            await nats.close()
            await server.stop()
            await asyncio.to_thread(shutil.rmtree, server.data_dir)

    @asynccontextmanager
    async def system(self, template: str | None = None, name: str = "bank") -> AsyncIterator[System]:
        """A system: a database, empty or like the template, a NATS, and no process of ours yet."""
        async with self.database(template=template) as url:
            database = Database(url)
            try:
                await settle_partitions(database, PARTITIONS)
                async with self.nats(await settle_identity(database, None, name)) as nats:
                    yield System(self.folder, database, nats, url, nats.servers[0])
            finally:
                await database.close()


@dataclass(frozen=True)
class System:
    """database and nats: this process's own connections.

    postgres_url, nats_url: what the parts connect to.
    """

    folder: Path
    database: Database
    nats: Nats
    postgres_url: str
    nats_url: str

    async def until_followed(self) -> None:
        """Waits until the relay and the projections have come as far as the log."""
        head = await head_position(self.database)

        async def followed() -> bool:
            mirrored = (await self.nats.jetstream.stream_info(self.nats.names.events)).state.last_seq
            folded = await self.database.fetchval("select min(position) from projections")
            return folded is not None and bool(mirrored >= head and folded >= head)

        await until(followed, timeout_seconds=60)

    @asynccontextmanager
    async def part(
        self, module: str, *arguments: str, core: int | None = None, **settings: str
    ) -> AsyncIterator[Process]:
        """A part as a process, from its start until it is told to end.

        core: the one it may run on. settings: more variables.
        """
        environment = {
            "COMMANDER_POSTGRES_URL": self.postgres_url,
            "COMMANDER_NATS_URL": self.nats_url,
            "COMMANDER_AUTH": "none",
            **settings,
        }
        process = await Process.started(
            [sys.executable, "-m", module, *arguments], environment, self.folder / f"{uuid4().hex}.log", core
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
                await stack.enter_async_context(self.part("commander", name))
            yield

    @asynccontextmanager
    async def api(
        self, module: str, *arguments: str, core: int | None = None, **settings: str
    ) -> AsyncIterator[tuple[int, Process]]:
        """An API that is ready: its port, and its process."""
        port = free_port()
        async with self.part(module, *arguments, "--port", str(port), core=core, **settings) as process:
            await until_it_answers(process, f"http://127.0.0.1:{port}/health/ready")
            yield port, process
