"""A server whose disk is full is an outage: the processor waits, and goes on by itself."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from commander.dev.embedded import EmbeddedNats
from commander.domain.errors import Trouble, Unavailable
from commander.eventstore.database import Database
from commander.examples.bank.messages import OpenAccount
from commander.streaming.nats.chunks import OutMessage
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.publishing import publish
from commander.streaming.nats.streams import ensure_streams
from commander.streaming.nats.watching import watch_nats
from tests.names import NAMES
from tests.streaming.conftest import Bank, running

SLACK_SECONDS = 8


@pytest.mark.parametrize("sqlstate", ["disk_full", "out_of_memory", "io_error"])
async def test_a_processor_waits_for_a_postgres_that_cannot_write(
    servers: Bank, database: Database, sqlstate: str, caplog: pytest.LogCaptureFixture
) -> None:
    await database.fetch(
        f"""create function cannot_write() returns trigger language plpgsql as $$
            begin raise exception 'could not extend file' using errcode = '{sqlstate}'; end $$"""
    )
    await database.fetch(
        "create trigger full_disk before insert on events for each row execute function cannot_write()"
    )
    async with running(servers.processor().run()):
        opened = await servers.submit(OpenAccount("Ada", uuid4()))
        async with asyncio.timeout(10):
            while "could not extend file; retrying" not in caplog.text:
                await asyncio.sleep(0.01)
        await database.fetch("drop trigger full_disk on events")
        await database.fetch("drop function cannot_write")
        assert (await servers.outcome(opened)).status == "APPLIED"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A directory on a file system of 12 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=12M", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("only root can mount a small file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


async def test_a_nats_that_cannot_write_is_unavailable(small_disk: Path) -> None:
    server = EmbeddedNats(small_disk)
    await server.start()
    nats = Nats(server.url, NAMES)
    await nats.connect("test")
    try:
        await ensure_streams(nats, replicas=1)
        message = OutMessage("commands.0.test", bytes(500_000), {})
        with pytest.raises(Unavailable, match="insufficient resources"):
            for _ in range(40):
                await publish(nats, [message])
        with pytest.raises(Unavailable, match="no space left"):
            async with nats.answering():
                await nats.jetstream.purge_stream("COMMANDS", seq=10)
    finally:
        await nats.close()
        await server.stop()


async def test_a_nats_that_was_full_says_that_it_must_be_restarted(small_disk: Path) -> None:
    server = EmbeddedNats(small_disk)
    await server.start()
    nats = Nats(server.url, NAMES)
    await nats.connect("test")
    loop = asyncio.get_running_loop()
    message = OutMessage("commands.0.test", bytes(100_000), {})

    async def refused_after() -> float:
        began = loop.time()
        with pytest.raises(Unavailable, match=r"no space left on device .*restart it") as caught:
            while True:
                began = loop.time()
                await publish(nats, [message])
        assert caught.value.trouble is Trouble.FULL
        return loop.time() - began

    try:
        await ensure_streams(nats, replicas=1)
        async with running(watch_nats(nats)):
            ballast = small_disk / "ballast"
            free = os.statvfs(small_disk)
            ballast.write_bytes(bytes(free.f_bavail * free.f_bsize - 1_000_000))
            assert await refused_after() < 2 + SLACK_SECONDS, "it does not answer, and says why when asked"
            assert await refused_after() < 1
            ballast.unlink()
            freed_at = loop.time()
            while loop.time() < freed_at + 2.5:  # longer than a failed write is believed
                assert await refused_after() < 1
                await asyncio.sleep(0.1)
            await server.stop()
            await server.start()
            async with asyncio.timeout(30):
                while nats.circuit.outage is not None:
                    await asyncio.sleep(0.01)
            [stored] = await publish(nats, [message])
            assert isinstance(stored, int)
    finally:
        await nats.close()
        await server.stop()
