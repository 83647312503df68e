"""Servers that are set back as a backup sets them back: what they keep is copied while they are stopped."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import nats as nats_client
from nats.js import JetStreamContext

from commander.dev.embedded import EmbeddedNats, EmbeddedPostgres, EmbeddedServer
from commander.eventstore.database import Database
from commander.eventstore.log.event_log import head_position
from commander.eventstore.log.ranges import read_log
from commander.eventstore.records import RecordedEvent
from commander.streaming.log.event_codec import event_of
from commander.streaming.nats.chunks import InMessage
from tests.faults.waiting import until


class Stores:
    """A Postgres and a NATS with data of their own. A context manager: they run while it is entered."""

    def __init__(self, data_dir: Path) -> None:
        self.postgres = EmbeddedPostgres(data_dir)
        self.nats = EmbeddedNats(data_dir)
        self.database = Database(self.postgres.url)

    async def __aenter__(self) -> Stores:
        await asyncio.gather(self.postgres.start(), self.nats.start())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.database.close()
        await asyncio.gather(self.postgres.stop(), self.nats.stop())

    async def copy(self, *servers: EmbeddedServer) -> None:
        """Takes a copy of what these servers keep."""
        for server in servers:
            await server.stop()
            await asyncio.to_thread(shutil.rmtree, _copy(server), ignore_errors=True)
            await copied(_kept(server), _copy(server))
            await server.start()

    async def set_back(self, *servers: EmbeddedServer) -> None:
        """Puts the copies back."""
        for server in servers:
            await server.stop()
            await asyncio.to_thread(shutil.rmtree, _kept(server))
            await copied(_copy(server), _kept(server))
        for server in servers:
            await server.start()

    @asynccontextmanager
    async def jetstream(self) -> AsyncIterator[JetStreamContext]:
        client = await nats_client.connect(self.nats.url)
        yield client.jetstream()
        await client.close()

    async def mirrored(self) -> list[RecordedEvent]:
        """The whole mirror, once it has as many messages as the log has events. Fails if one is no event."""
        async with self.jetstream() as jetstream:

            async def whole() -> bool:
                state = (await jetstream.stream_info("bank-EVENTS")).state
                return bool(state.last_seq == await head_position(self.database))

            await until(whole, "the log is mirrored")
            last = (await jetstream.stream_info("bank-EVENTS")).state.last_seq
            found = [await jetstream.get_msg("bank-EVENTS", sequence) for sequence in range(1, last + 1)]
        return [
            event_of(InMessage(one.seq or 0, one.subject or "", one.data or b"", _raw(one.headers or {})))
            for one in found
        ]

    async def until_the_same(self, count: int = 0) -> list[RecordedEvent]:
        """The mirror, once it is the log and has so many events: queued commands may still add to both."""
        found = list[RecordedEvent]()

        async def same() -> bool:
            nonlocal found
            found = await self.mirrored()
            return len(found) >= count and found == await self.log()

        await until(same, "the mirror is the log")
        return found

    async def log(self) -> list[RecordedEvent]:
        return await read_log(self.database, 0, await head_position(self.database), 100_000)


def _raw(headers: dict[str, str]) -> bytes:
    return "".join(["NATS/1.0\r\n", *(f"{name}: {value}\r\n" for name, value in headers.items())]).encode()


async def copied(source: Path, target: Path) -> None:
    """With owners and modes: run as root, Postgres is another user."""
    copying = await asyncio.create_subprocess_exec("cp", "-a", source, target)
    assert await copying.wait() == 0


def _kept(server: EmbeddedServer) -> Path:
    return server.data_dir / server.name


def _copy(server: EmbeddedServer) -> Path:
    return server.data_dir / f"{server.name}.copy"


async def ran(server: EmbeddedPostgres, program: str, *arguments: str) -> None:
    """Runs a program of Postgres as its user, with sockets where that server listens."""
    handle = server._initialized()
    ending = await asyncio.create_subprocess_exec(
        handle.bin_path / program,
        *arguments,
        env={**os.environ, "PGHOST": str(server._socket_dir), "PGUSER": "postgres"},
        cwd="/",
        **({"user": handle.system_user} if handle.system_user else {}),
    )
    assert await ending.wait() == 0


def directory(postgres: EmbeddedPostgres, name: str) -> Path:
    """A directory beside the data of Postgres, which its user may write to."""
    made, like = postgres.data_dir / name, postgres._postgres_dir.stat()
    made.mkdir(mode=0o700)
    os.chown(made, like.st_uid, like.st_gid)
    return made
