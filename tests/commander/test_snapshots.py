"""`commander snapshots drop`: drops those of one aggregate or all, and says to restart processors."""

from __future__ import annotations

import asyncio

from commander.eventstore.log.snapshots import Snapshot, save_snapshots
from tests.commander.conftest import Run
from tests.streaming.conftest import Bank, running, servers

__all__ = ["servers"]

STREAMS = ("account-1", "account-2", "accountant-1", "transfer-1")


async def dropped(servers: Bank, commander: Run, *arguments: str) -> tuple[int, str, set[str]]:
    """Exit code, output, and the streams that still have a snapshot."""
    ended = await asyncio.to_thread(
        commander, "snapshots", "drop", *arguments, COMMANDER_POSTGRES_URL=servers.database.url
    )
    rows = await servers.database.fetch("select stream from snapshots")
    return ended.returncode, ended.stdout, {row["stream"] for row in rows}


async def test_snapshots_are_dropped(servers: Bank, commander: Run) -> None:
    async with servers.database.connection() as connection:
        await save_snapshots(connection, [Snapshot(stream, 3, "01234567", "{}") for stream in STREAMS])
    rest = {"accountant-1", "transfer-1"}
    assert await dropped(servers, commander, "account") == (0, "dropped 2 snapshots\n", rest)
    assert await dropped(servers, commander, "accounts") == (1, "", rest)
    processor = servers.processor()
    async with running(processor.run()):
        async with asyncio.timeout(10):
            while not processor.owned:
                await asyncio.sleep(0.02)
        code, told, left = await dropped(servers, commander)
    assert (code, left) == (0, set())
    assert "dropped 2 snapshots\nprocessors are running: restart them" in told
