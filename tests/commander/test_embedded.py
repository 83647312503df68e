"""The servers of `commander dev`, in directories whose names mean something to the servers' own settings."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import nats as nats_client
import pytest

from commander.dev.embedded import EmbeddedNats, EmbeddedPostgres


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ['it\'s "quoted", with \\ and commas'])
async def test_servers_run_in_a_directory_with_quotation_marks_and_commas(tmp_path: Path, name: str) -> None:
    data_dir = tmp_path / name
    postgres, nats = EmbeddedPostgres(data_dir), EmbeddedNats(data_dir)
    await postgres.start()
    await nats.start()
    try:
        connection = await asyncpg.connect(postgres.url)
        assert await connection.fetchval("show data_directory") == str(data_dir / "postgres")
        await connection.close()
        client = await nats_client.connect(nats.url)
        await client.jetstream().add_stream(name="S", subjects=["s"])
        await client.close()
        assert (data_dir / "nats" / "jetstream").is_dir()
    finally:
        await nats.stop()
        await postgres.stop()
