"""docs/backups.md: both stores put back to a point in time, NATS from before it or from after it.

One system is backed up while it runs. Each test puts the backups back into servers of its own. At the moment
there are a command of a client and reactions that are queued and not decided.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID, uuid4

import nats as nats_client
import pytest
import pytest_asyncio

from commander.domain.errors import Unavailable
from commander.eventstore.database import Database
from commander.eventstore.reactions.reactors import reactor_statuses
from commander.eventstore.records import RecordedEvent
from tests.clusters import Clusters
from tests.e2e.parts import Part, Parts
from tests.faults.setting_back import Stores, copied, directory, ran
from tests.faults.snapshots import Snapshot, restore_snapshot, snapshot_of
from tests.faults.test_set_back import followed, restore
from tests.faults.waiting import until
from tests.forking import fork_server

STREAMS = ("bank-COMMANDS", "bank-EVENTS")
SETTINGS = {
    "COMMANDER_DOMAIN": "tests.streaming.errands:errands",
    "COMMANDER_SYSTEM": "bank",
    "COMMANDER_KEEP_ACCEPTED": "true",
}
ONCE = ("now", "soon", "started", "out of patience")


@dataclass(frozen=True)
class BackedUp:
    """base: the base backup. archive: the WAL. moment: the point in time.

    nats: a copy of the files of NATS from before the moment. streams: both streams' snapshots from after it.
    kept: the errands that the log has at the moment. queued: one that was only accepted. later: one after it.
    log: the log at the end.
    """

    base: Path
    archive: Path
    moment: datetime
    nats: Path
    streams: list[Snapshot]
    kept: list[str]
    queued: str
    later: str
    log: list[RecordedEvent]


@pytest_asyncio.fixture(scope="module")
async def backed_up(clusters: Clusters, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BackedUp]:
    async with Stores(clusters.copy("live")) as live:
        postgres, database = live.postgres, live.database
        archive, base = directory(postgres, "archive"), directory(postgres, "base")
        for name, value in (("archive_command", f"cp %p {archive}/%f"), ("archive_mode", "on")):
            await database.fetch(f"alter system set {name} = '{value}'")
        await postgres.stop()
        await postgres.start()
        await ran(postgres, "pg_basebackup", "--pgdata", str(base), "--checkpoint=fast")
        with Parts(postgres.url, live.nats.url, tmp_path_factory.mktemp("parts"), SETTINGS) as parts:
            _, processor, reactors, api = parts.start("relay", "processor", "reactors", "api")
            kept = [ask(api)]
            await until_ran(live, kept, ONCE)
            await live.copy(live.nats)  # before the moment
            api.wait_ready()
            reactors.end()
            kept.append(ask(api))
            processor.end()
            parts.start("reactors")
            await until_reacted(database)
            queued = ask(api, "ACCEPTED")
            moment = await database.fetchval("select clock_timestamp()")
            async with live.jetstream() as jetstream:
                last = (await jetstream.stream_info(STREAMS[0])).state.last_seq
            parts.start("processor")
            later = ask(api)
            await until_ran(live, [*kept, queued, later], ("now", "started"))
            await live.mirrored()
            async with live.jetstream() as jetstream:  # as the processor does later: they are decided
                await jetstream.purge_stream(STREAMS[0], seq=last + 1, subject="bank.commands.*.*")
            client = await nats_client.connect(live.nats.url)
            streams = [await snapshot_of(client, stream) for stream in STREAMS]  # after it
            await client.close()
            await until_ran(live, [ask(api)], ("now", "started"))
        log = await live.log()
        segment = await database.fetchval("select pg_walfile_name(pg_switch_wal())")
        await until((archive / segment).exists, "the WAL is archived")
        yield BackedUp(
            base, archive, moment, live.nats.data_dir / "nats.copy", streams, kept, queued, later, log
        )


@asynccontextmanager
async def put_back(clusters: Clusters, backups: BackedUp, nats: str) -> AsyncIterator[Stores]:
    """Postgres at the moment, and NATS as it was before it or after it."""
    stores = Stores(clusters.copy("restored"))
    kept = stores.postgres.data_dir / "postgres"
    await asyncio.to_thread(shutil.rmtree, kept)
    await copied(backups.base, kept)
    (kept / ".s.PGSQL.5432.lock").unlink()  # the socket of the server was beside its data
    with (kept / "postgresql.auto.conf").open("a") as settings:
        for setting in (
            "archive_mode = 'off'",
            f"restore_command = 'cp {backups.archive}/%f %p'",
            f"recovery_target_time = '{backups.moment.isoformat()}'",
            "recovery_target_action = 'promote'",
        ):
            settings.write(f"{setting}\n")
    (kept / "recovery.signal").touch()
    if nats == "older":
        await copied(backups.nats, stores.nats.data_dir / "nats")
    async with stores:
        if nats == "newer":
            client = await nats_client.connect(stores.nats.url)
            for stream, snapshot in zip(STREAMS, backups.streams, strict=True):
                await restore_snapshot(client, stream, snapshot)
            await client.close()

        async def promoted() -> bool:
            try:
                return not await stores.database.fetchval("select pg_is_in_recovery()")
            except Unavailable:
                return False

        await until(promoted, "Postgres is at the moment")
        yield stores


def ask(api: Part, wait: str = "APPLIED") -> str:
    """A client asks for an errand; two reactors react to it."""
    errand = str(uuid4())
    options = f"options: {{wait: {wait}}}"
    document = f"mutation ($id: UUID!) {{ ask(input: {{errandId: $id}}, {options}) {{ __typename }} }}"
    assert api.data(document, id=errand)["ask"]["__typename"] == f"Command{wait.capitalize()}"
    return errand


async def runs(stores: Stores) -> Counter[tuple[str, str]]:
    """How often each errand was run, and why."""
    found = [json.loads(event.data) for event in await stores.log() if event.type == "Ran"]
    return Counter((one["errand_id"], one["why"]) for one in found)


async def until_ran(stores: Stores, errands: list[str], why: Sequence[str]) -> None:
    wanted = {(errand, reason) for errand in errands for reason in why}

    async def have() -> bool:
        return (await runs(stores)).keys() >= wanted

    await until(have, "the errands are run")


async def until_reacted(database: Database) -> None:
    async def have() -> bool:
        head, statuses = await reactor_statuses(database)
        return {one.position for one in statuses} == {head}

    await until(have, "the reactors have seen the log")


@pytest.mark.parametrize("nats", ["older", "newer"])
async def test_both_at_a_point_in_time(
    nats: str, backed_up: BackedUp, clusters: Clusters, tmp_path: Path
) -> None:
    async with put_back(clusters, backed_up, nats) as stores:
        kept = await stores.log()
        lost = backed_up.log[len(kept) :]
        assert kept == backed_up.log[: len(kept)]
        assert {e.stream.removeprefix("errand-") for e in kept if e.type == "Asked"} == {*backed_up.kept}
        with Parts(stores.postgres.url, stores.nats.url, tmp_path, SETTINGS) as parts:
            said = restore(parts, "--yes", "--epoch", "3")  # an earlier epoch 2 was lost too, say
            assert f"epoch 3 of the log begins at position {len(kept) + 1}" in said
            gone = next((line for line in said.splitlines() if " are lost: " in line), "")
            if nats == "older":
                assert "NATS was set back: bank-COMMANDS ends at message" in said
            else:
                assert re.search(rf"[1-9]\d* events of bank-EVENTS .* from position {len(kept) + 1} on", said)
                assert re.search(r"[1-9]\d* are in Postgres and are sent again", said)
                assert str(command_of(lost, backed_up.queued)) not in gone
            [*_, api] = parts.start("relay", "processor", "reactors", "api")
            errands = [*backed_up.kept, backed_up.queued, ask(api)]
            if nats == "newer" and str(command_of(lost, backed_up.later)) not in gone:
                errands.append(backed_up.later)  # it is not lost, because COMMANDS had it still
            await until_ran(stores, errands, ONCE)
            assert await runs(stores) == {(errand, why): 1 for errand in errands for why in ONCE}
            await stores.until_the_same()
            [cursor] = await followed(api, str(len(kept) + 1), 1)
            position = str(len(kept))
            assert cursor["extensions"] == {"code": "CURSOR_LOST", "position": position, "logEpoch": 3}
            verified = fork_server().run(["verify"], {**os.environ, **parts.environment})
            assert verified.returncode == 0, verified.stdout + verified.stderr


def command_of(events: list[RecordedEvent], errand: str) -> UUID:
    """The command that asked for it."""
    return next(e.command_id for e in events if e.type == "Asked" and e.stream == f"errand-{errand}")
