"""docs/backups.md: what it says to back up and to put back, done."""

from __future__ import annotations

import asyncio
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import nats as nats_client

from commander.dev.embedded import EmbeddedPostgres
from commander.domain.errors import Unavailable
from commander.eventstore.log.event_log import head_position
from tests.clusters import Clusters
from tests.e2e.bank import opened, submit
from tests.e2e.parts import Parts
from tests.faults.setting_back import Stores
from tests.faults.snapshots import restore_snapshot, snapshot_of
from tests.faults.test_set_back import followed, restore
from tests.faults.waiting import until
from tests.streaming.filling import fill


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


async def test_both_from_backups_that_were_taken_while_the_system_ran(
    clusters: Clusters, tmp_path: Path
) -> None:
    scheduled = str(uuid4())
    due = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    async with Stores(clusters.copy("live")) as live:
        dump = directory(live.postgres, "backup") / "log.dump"
        (tmp_path / "live").mkdir()
        with Parts(live.postgres.url, live.nats.url, tmp_path / "live") as parts:
            api = parts.start("processor", "relay", "api")[-1]
            for _ in range(4):
                opened(api)
            submit(api, "openAccount", {"owner": "Ada"}, commandId=scheduled, notBefore=due)
            client = await nats_client.connect(live.nats.url)
            queue = await snapshot_of(client, "bank-COMMANDS")
            await client.close()
            opened(api)  # between the two copies: in both
            await ran(live.postgres, "pg_dump", "--format=custom", f"--file={dump}", "commander")
            for _ in range(3):
                opened(api)
        dumped = dump.read_bytes()

    async with Stores(clusters.copy("restored")) as restored:
        dump = directory(restored.postgres, "backup") / "log.dump"
        dump.write_bytes(dumped)
        await ran(restored.postgres, "pg_restore", "--dbname=commander", str(dump))
        client = await nats_client.connect(restored.nats.url)
        await restore_snapshot(client, "bank-COMMANDS", queue)
        await client.close()
        (tmp_path / "restored").mkdir()
        with Parts(restored.postgres.url, restored.nats.url, tmp_path / "restored") as parts:
            said = restore(parts, "--yes", "--new-epoch")
            assert "epoch 2 of the log begins at position 6" in said
            api = parts.start("processor", "relay", "api")[-1]
            opened(api)
            mirrored = await restored.mirrored()
            assert mirrored == await restored.log()
            assert len(mirrored) == 6  # the command between the copies once
            status = api.data("query ($id: UUID!) { command(id: $id) { status } }", id=scheduled)
            assert status["command"]["status"] == "SCHEDULED"
            [lost] = await followed(api, "8", 1)
            assert lost["extensions"] == {"code": "CURSOR_LOST", "position": "5", "logEpoch": 2}


async def test_postgres_at_a_point_in_time_from_a_base_backup_and_archived_wal(
    clusters: Clusters, tmp_path: Path
) -> None:
    async with Stores(clusters.copy("archived")) as stores:
        postgres, database = stores.postgres, stores.database
        archive, backup = directory(postgres, "archive"), directory(postgres, "backup")
        for name, value in (("archive_command", f"cp %p {archive}/%f"), ("archive_mode", "on")):
            await database.fetch(f"alter system set {name} = '{value}'")
        await postgres.stop()
        await postgres.start()
        with Parts(postgres.url, stores.nats.url, tmp_path) as parts:
            [relay] = parts.start("relay")
            await ran(postgres, "pg_basebackup", "--pgdata", str(backup), "--checkpoint=fast")
            await fill(stores.database, 5)
            moment = await stores.database.fetchval("select clock_timestamp()")
            await fill(stores.database, 4)
            await stores.mirrored()
            last = await stores.database.fetchval("select pg_walfile_name(pg_switch_wal())")
            await until((archive / last).exists, "the WAL is archived")
            relay.end()
            await postgres.stop()

            for setting in (
                f"restore_command = 'cp {archive}/%f %p'",
                f"recovery_target_time = '{moment.isoformat()}'",
                "recovery_target_action = 'promote'",
            ):
                with (backup / "postgresql.auto.conf").open("a") as settings:
                    settings.write(f"{setting}\n")
            (backup / "recovery.signal").touch()
            shutil.rmtree(postgres._postgres_dir)
            backup.rename(postgres._postgres_dir)
            await postgres.start()

            async def promoted() -> bool:
                try:
                    return not await stores.database.fetchval("select pg_is_in_recovery()")
                except Unavailable:
                    return False

            await until(promoted, "Postgres is at the moment")
            assert await head_position(stores.database) == 5
            [relay] = parts.start("relay", ready=False)
            assert "4 events of bank-EVENTS are not in the log, from position 6 on" in restore(parts, "--yes")
            relay.wait_ready()
            assert await stores.mirrored() == await stores.log()


def directory(postgres: EmbeddedPostgres, name: str) -> Path:
    """A directory beside the data of Postgres, which its user may write to."""
    made, like = postgres.data_dir / name, postgres._postgres_dir.stat()
    made.mkdir(mode=0o700)
    os.chown(made, like.st_uid, like.st_gid)
    return made
