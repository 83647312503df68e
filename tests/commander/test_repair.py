"""Each kind of damage is made by hand, named by verify and mended by repair: on one system, in turn."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from msgspec.structs import replace

from commander.cli.joining import joined_with_any_epoch
from commander.dev.embedded import EmbeddedNats
from commander.eventstore.audit.findings import Check, Finding, Kind, Mend, begun
from commander.eventstore.audit.refolding import recount_names
from commander.eventstore.audit.restoring import CannotRestore, restore_events
from commander.eventstore.database import Database
from commander.eventstore.locks import Lock, sole_holder
from commander.eventstore.log.checkpoints import settle_partitions
from commander.eventstore.log.event_log import head_position
from commander.eventstore.log.identity import Identity
from commander.eventstore.log.ranges import read_log
from commander.eventstore.log.snapshots import save_snapshots
from commander.eventstore.log.stored_names import count_names
from commander.eventstore.projections.folding import ensure_tables
from commander.eventstore.projections.tables import Table
from commander.eventstore.reactions.beginnings import begin_effects, begin_reactors
from commander.streaming.audit.checks import all_checks
from commander.streaming.audit.repairing import LOG, PartRuns, System, repair, repairs_of
from commander.streaming.commands.aggregate_cache import AggregateCache
from commander.streaming.commands.submitting import Submitter
from commander.streaming.effects.runner import EffectRunner
from commander.streaming.log.relay import Relay
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.names import Names
from commander.streaming.nats.streams import ensure_streams
from commander.streaming.projections.projecting import Projector
from commander.streaming.reactors.reacting import ReactorRunner
from commander.streaming.reactors.recurring import Ticker
from tests.commander.damages import DAMAGES, Place, forced
from tests.commander.yard import Arrive, Board, Inspect, yard
from tests.databases import Databases
from tests.faults.waiting import until
from tests.streaming.conftest import PARTITIONS, Bank, running, settle_as, until_reacted

SHIPS = UUID(int=1), UUID(int=2), UUID(int=3)


@pytest_asyncio.fixture(scope="module")
async def place(databases: Databases, shared_nats: EmbeddedNats) -> AsyncIterator[Place]:
    """A system that has one of everything, and whose parts have ended."""
    if shared_nats.process is None or shared_nats.process.returncode is not None:
        await shared_nats.start()
    name = await databases.take()
    database = Database(databases.url(name))
    identity = Identity("yard", uuid4())
    nats = Nats(shared_nats.url, Names(identity, any_epoch=True))
    await nats.connect("test")
    await ensure_streams(nats, replicas=1)
    await settle_partitions(database, PARTITIONS)
    await settle_as(database, identity)
    yield await worked(Bank(database, nats, Submitter(nats, PARTITIONS)))
    for stream in (nats.names.commands, nats.names.events):
        await nats.jetstream.delete_stream(stream)
    await nats.close()
    await database.close()
    databases.give_back(name)


async def worked(servers: Bank) -> Place:
    database, nats, submitter = servers.database, servers.nats, servers.submitter
    table = Table(yard.projections["manifest"])
    await ensure_tables(database, [table])
    await begin_reactors(database, {"voyage": None})
    await begin_effects(database, {"whistle": None})
    projector, relay = Projector(yard, database, nats, table), Relay(database, nats)
    effect = EffectRunner(yard, database, nats, yard.effects["whistle"])
    reactor = ReactorRunner(yard, database, nats, submitter, yard.reactors["voyage"])
    ticker = Ticker(yard, database, nats, submitter)
    async with (
        running(servers.processor(yard).run()),
        running(relay.run()),
        running(projector.run()),
        running(effect.run()),
        running(reactor.run()),
        running(ticker.run()),
    ):
        ids = []
        for command in (
            Arrive(SHIPS[0], 3),
            Arrive(SHIPS[1], 3, "late"),
            Board(SHIPS[0], 2),
            Board(SHIPS[0], 5000),
            Inspect(SHIPS[1]),
            Arrive(SHIPS[2], 0),
            Board(SHIPS[1], 1),
        ):
            ids.append(await servers.submit(command, yard, **sent(command)))
            await servers.outcome(ids[-1])
        await until_reacted(servers, "voyage")
        await until(lambda: effect.position > 0 and bool(ticker._set), "effect and ticker have worked")
        while await database.fetchval("select count(*) from commands where reactor is not null") == 0:
            await until_reacted(servers, "voyage")
        await until_reacted(servers, "voyage")
        head = await head_position(database)
        await until(
            lambda: relay.position == projector.position == effect.position == head, "all have followed"
        )
    await count_names(database)
    return Place(database, nats, 1, ids[2], ids[3], table.name)


def sent(command: object) -> dict[str, bytes]:
    """The digest, as the API makes it."""
    type_ = yard.type_of(command)
    return {"sent_digest": type_.digest(command)}  # type: ignore[union-attr]


async def snapshot(database: Database) -> None:
    """A snapshot of the ship with several events. Repairs drop it."""
    states, stream = AggregateCache(yard, capacity=10, snapshot_every=2), f"ship-{SHIPS[0]}"
    async with database.connection() as connection:
        await states.load(connection, [stream])
        if due := states.due_snapshots([stream]):
            await save_snapshots(connection, due)


async def found(place: Place) -> list[Finding]:
    await joined_with_any_epoch(place.nats, place.database)
    audit = await begun(yard, place.database)

    async def of(check: Check) -> list[Finding]:
        return [finding async for finding in check.run(audit, lambda done, all_: None)]

    async with asyncio.TaskGroup() as checking:  # they wait for servers most of the time
        tasks = [checking.create_task(of(check)) for check in all_checks(yard, place.nats)]
    return [finding for task in tasks for finding in task.result()]


def test_every_kind_of_finding_has_its_damage() -> None:
    assert {damage.kind for damage in DAMAGES.values()} == set(Kind)


async def test_a_sound_system_has_no_finding(place: Place) -> None:
    assert await found(place) == []


def test_every_kind_of_finding_is_explained() -> None:
    page = (Path(__file__).parents[2] / "docs" / "repairing.md").read_text("utf-8")
    rows = re.findall(r"^\| ([a-z ]+) \|", page, re.MULTILINE)
    assert sorted(rows) == sorted(["kind", *Kind])


@pytest.mark.parametrize("name", DAMAGES)
async def test_damage_is_named_and_mended(place: Place, name: str) -> None:
    damage = DAMAGES[name]
    await snapshot(place.database)
    kept = await rows_of(place.database)
    await damage.hurt(place)
    findings = await found(place)
    kinds = {one.kind for one in findings}
    assert damage.kind in kinds, findings
    assert kinds <= {damage.kind} | damage.besides, findings
    await mend(place, findings)
    left = await found(place)
    if not damage.lost:
        assert left == []
        return
    assert damage.kind in {one.kind for one in left}
    assert all("lost" in one.what for one in left if one.kind is damage.kind), left
    await put_back(place.database, kept)


async def mend(place: Place, findings: list[Finding]) -> None:
    """As `commander repair --apply` does."""
    system = System(yard, place.database, place.nats)
    wanted = repairs_of(findings)
    of_log = {kind: subjects for kind, subjects in wanted.items() if kind in LOG}
    for kind, subjects in of_log.items():
        await repair(system, kind, subjects)
    for kind, subjects in (repairs_of(await found(place)) if of_log else wanted).items():
        if kind not in LOG:
            assert await repair(system, kind, subjects) == []


async def rows_of(database: Database) -> str:
    """The outcomes, as JSON."""
    return str(await database.fetchval("select json_agg(commands)::text from commands"))


async def put_back(database: Database, kept: str) -> None:
    """Puts back what was lost, for the next damage."""
    await forced(database, "delete from commands")
    await forced(
        database, "insert into commands select * from json_populate_recordset(null::commands, $1::json)", kept
    )
    await recount_names(database)


async def test_messages_are_compared_as_bytes(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The form of a message in streaming/audit/expected.py is the relay's, or each would be decoded."""
    monkeypatch.delattr("commander.streaming.audit.mirror._one_by_one")
    assert await found(place) == []


async def test_a_repair_waits_for_no_part_that_runs(place: Place) -> None:
    await snapshot(place.database)
    await DAMAGES["a snapshot decides wrongly"].hurt(place)
    system = System(yard, place.database, place.nats)
    assert repairs_of(await found(place)) == {Mend.SNAPSHOT: [f"ship-{SHIPS[0]}"]}
    async with sole_holder(place.database, Lock.PROCESSORS, 0, "test"):
        with pytest.raises(PartRuns, match="PROCESSORS"):
            await repair(system, Mend.SNAPSHOT, [f"ship-{SHIPS[0]}"])
    await repair(system, Mend.SNAPSHOT, [f"ship-{SHIPS[0]}"])
    assert await found(place) == []


async def test_an_event_whose_version_another_has_is_not_written(place: Place) -> None:
    first, _ = await read_log(place.database, 0, 2)
    with pytest.raises(CannotRestore, match="events_stream_version"):
        async with place.database.connection() as connection, connection.transaction():
            await restore_events(connection, [replace(first, position=2)])
    assert await found(place) == []
