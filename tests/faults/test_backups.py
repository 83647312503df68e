"""docs/backups.md: what it says to back up and to put back, done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import nats as nats_client

from tests.clusters import Clusters
from tests.e2e.bank import opened, submit
from tests.e2e.parts import Parts
from tests.faults.setting_back import Stores, directory, ran
from tests.faults.snapshots import restore_snapshot, snapshot_of
from tests.faults.test_set_back import followed, restore


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
            status = api.data("query ($id: UUID!) { command(commandId: $id) { status } }", id=scheduled)
            assert status["command"]["status"] == "SCHEDULED"
            [lost] = await followed(api, "8", 1)
            assert lost["extensions"] == {"code": "CURSOR_LOST", "position": "5", "logEpoch": 2}
