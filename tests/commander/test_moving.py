"""A system moved to other servers with `commander export` and `commander import` goes on where it was."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest_asyncio
from msgspec import Raw

from commander.dev.embedded import EmbeddedNats, EmbeddedPostgres
from commander.domain import Domain
from commander.eventstore.database import Database
from commander.eventstore.log.checkpoints import settle_partitions
from commander.eventstore.log.event_log import head_position
from commander.eventstore.migrate import migrate
from commander.eventstore.projections.tables import Table
from commander.eventstore.reactions.reactors import reactor_positions
from commander.eventstore.records import SubmittedCommand
from commander.examples.bank import bank
from commander.examples.bank.messages import Deposit, OpenAccount, RequestTransfer, Withdraw
from commander.streaming.commands.pending_by_id import StillPending, until_decided
from commander.streaming.commands.submitting import Submitter
from commander.streaming.log.relay import Relay
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.streams import ensure_streams
from commander.streaming.projections.projecting import Projector
from commander.streaming.reactors.reacting import ReactorRunner
from tests.commander.conftest import Run
from tests.e2e import shelf_new, shelf_old
from tests.eventstore.listing import page_of_rows
from tests.names import NAMES
from tests.streaming.conftest import PARTITIONS, Bank, running, servers, settle_as
from tests.streaming.filling import fill
from tests.streaming.test_relay import mirrored

__all__ = ["servers"]


@pytest_asyncio.fixture
async def other(postgres: EmbeddedPostgres, tmp_path: Path) -> AsyncIterator[Bank]:
    """Other servers, on which nothing was ever started; with another number of partitions."""
    admin = Database(postgres.url.replace(f"/{postgres.database}?", "/postgres?"))
    name = f"other_{uuid4().hex}"
    await admin.fetch(f'create database "{name}"')
    database = Database(postgres.url.replace(f"/{postgres.database}?", f"/{name}?"))
    (tmp_path / "other").mkdir()
    server = EmbeddedNats(tmp_path / "other")
    await server.start()
    nats = Nats(server.url, NAMES)
    await nats.connect("test")
    yield Bank(database, nats, Submitter(nats, 4))
    await nats.close()
    await server.stop()
    await database.close()
    await admin.fetch(f'drop database "{name}" with (force)')
    await admin.close()


def urls(servers: Bank) -> dict[str, str]:
    return {
        "COMMANDER_POSTGRES_URL": servers.database.url,
        "COMMANDER_NATS_URL": servers.nats.servers[0],
    }


@asynccontextmanager
async def parts(servers: Bank, domain: Domain = bank) -> AsyncIterator[None]:
    """Everything but the API, in this process."""
    reactors = [
        ReactorRunner(domain, servers.database, servers.nats, servers.submitter, reactor)
        for reactor in domain.reactors.values()
    ]
    projectors = [
        Projector(domain, servers.database, servers.nats, Table(projection))
        for projection in domain.projections.values()
    ]
    relay = Relay(servers.database, servers.nats)
    async with AsyncExitStack() as stack:
        works = [*(projector.run() for projector in projectors), *(reactor.run() for reactor in reactors)]
        for work in (servers.processor(domain).run(), relay.run(), *works):
            await stack.enter_async_context(running(work))
        yield


async def settled(servers: Bank, domain: Domain = bank) -> None:
    """Waits until every reactor and projection has come to the head, and nothing moves any more."""
    asked = """select position from log_head where not exists (
                 select from (select position from reactor_partitions
                              union all select position from projections) as p
                 where p.position <> log_head.position)
               and (select count(*) from reactor_partitions) = $1
               and (select count(*) from projections) = $2"""
    reactors, projections = len(domain.reactors) * PARTITIONS, len(domain.projections)
    before = None
    async with asyncio.timeout(30):
        while True:
            try:
                now = await servers.database.fetchval(asked, reactors, projections)
                if now is not None and now == before:
                    await until_decided(servers.nats, servers.database, 20)
                    if await head_position(servers.database) == now:
                        return
                before = now
            except StillPending:
                pass
            await asyncio.sleep(0.05)


async def rows(servers: Bank, table: Table) -> list[Any]:
    return await page_of_rows(servers.database, table, None, 1000)


async def run(commander: Run, *arguments: str, **environment: str) -> str:
    """What the command line says about a success."""
    ended = await asyncio.to_thread(commander, *arguments, **environment)
    assert ended.returncode == 0, ended.stderr
    return " ".join(ended.stderr.split())


async def refused(commander: Run, *arguments: str, **environment: str) -> str:
    ended = await asyncio.to_thread(commander, *arguments, **environment)
    assert (ended.returncode, ended.stderr.count("commander: ")) == (1, 1), ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr.split("commander: ")[1].strip()


async def busy(servers: Bank) -> list[UUID]:
    """Transfers that succeed, that are refused and that come back; a rejected command; ids of commands."""
    ada, bob = uuid4(), uuid4()
    sent = [
        await servers.submit(OpenAccount("Ada 🏦", ada)),
        await servers.submit(OpenAccount("Bob", bob), actor="bob@example.org"),
        await servers.submit(Deposit(ada, Decimal("100.00"))),
        await servers.submit(Withdraw(ada, Decimal("1000.00"))),
        await servers.submit(RequestTransfer(ada, bob, Decimal("30.00"))),
        await servers.submit(RequestTransfer(bob, ada, Decimal("5000.00"))),
        await servers.submit(RequestTransfer(ada, uuid4(), Decimal("7.00"))),
    ]
    return sent


async def test_a_moved_system_goes_on_where_it_was(
    servers: Bank, other: Bank, commander: Run, tmp_path: Path
) -> None:
    async with parts(servers):
        sent = await busy(servers)
        for command_id in sent:
            await servers.outcome(command_id)
        await settled(servers)
    file, again = tmp_path / "log.ndjson", tmp_path / "again.ndjson"
    log = await servers.log()
    assert f"up to position {len(log)}" in await run(commander, "export", str(file), **urls(servers))
    assert f"and {len(log)} events" in await run(commander, "import", str(file), **urls(other))
    await run(commander, "export", str(again), **urls(other))
    assert again.read_bytes() == file.read_bytes()

    commands = await other.database.fetchval("select count(*) from commands")
    await settle_partitions(other.database, PARTITIONS)
    await ensure_streams(other.nats, replicas=1)
    async with parts(other):
        assert await mirrored(other.nats, len(log)) == log
        await settled(other)
        for projection in bank.projections.values():
            assert await rows(other, Table(projection)) == await rows(servers, Table(projection))
        assert await other.log() == log
        queued = (await other.nats.jetstream.stream_info("COMMANDS")).state.last_seq
        assert queued == 0, "no reactor reacted again"
        assert await other.database.fetchval("select count(*) from commands") == commands
        assert await reactor_positions(other.database) == {"transfers": len(log)}
        for command_id in sent:
            first = await servers.outcome(command_id)
            repeated = SubmittedCommand(
                command_id, first.type, first.stream, Raw(first.data.encode()), uuid4(), datetime.now(UTC)
            )
            await other.submitter.submit(repeated)
        await settled(other)
        assert await other.log() == log, "each has its first outcome"
        account = UUID(log[0].stream.partition("-")[2])
        new = await other.submit(RequestTransfer(account, UUID(log[1].stream[8:]), Decimal("1.00")))
        assert (await other.outcome(new)).position == len(log) + 1
        await settled(other)
        assert [event.type for event in (await other.log())[len(log) :]] == [
            "TransferRequested",
            "MoneyWithdrawn",
            "TransferWithdrawn",
            "MoneyDeposited",
            "TransferCompleted",
        ]


async def test_events_of_former_code_are_moved_as_they_stand_and_read_as_the_newest(
    servers: Bank, other: Bank, commander: Run, tmp_path: Path
) -> None:
    old, new, shelf = shelf_old.shelf, shelf_new.shelf, uuid4()
    async with running(servers.processor(old).run()):
        await servers.outcome(await servers.submit(shelf_old.Put(shelf, 7), old))
    file = tmp_path / "log.ndjson"
    await run(commander, "export", str(file), **urls(servers))
    await run(commander, "import", str(file), **urls(other))
    assert await other.log() == await servers.log()
    await settle_partitions(other.database, PARTITIONS)
    await ensure_streams(other.nats, replicas=1)
    async with parts(other, new):
        await settled(other, new)
        assert await rows(other, Table(new.projections["shelf"])) == [shelf_new.ShelfRow(shelf, 70)]
    assert [(event.type, event.causation_position) for event in await other.log()] == [
        ("Placed", None),
        ("Measured", 1),
    ], "a reactor that is new reacts to all of the log, as it would have where the log was"


async def test_what_is_queued_is_waited_for_so_that_no_reaction_is_lost(
    servers: Bank, commander: Run, tmp_path: Path
) -> None:
    file = tmp_path / "log.ndjson"
    async with running(servers.processor().run()):
        await servers.outcome(await servers.submit(OpenAccount("Ada", uuid4())))
    await servers.submit(OpenAccount("Bob", uuid4()))
    said = await refused(commander, "export", str(file), "--wait-seconds", "0.1", **urls(servers))
    assert said.startswith("after 0.1 s commands are still queued in the partitions ")
    assert not [name for name in os.listdir(tmp_path) if "ndjson" in name]
    exporting = asyncio.create_task(run(commander, "export", str(file), **urls(servers)))
    async with running(servers.processor().run()):
        assert "up to position 2" in await exporting


async def test_a_mirror_of_another_log_is_told_before_anything_is_imported(
    servers: Bank, other: Bank, commander: Run, tmp_path: Path
) -> None:
    file = tmp_path / "log.ndjson"
    await fill(servers.database, 3)
    await run(commander, "export", str(file), **urls(servers))
    await ensure_streams(other.nats, replicas=1)
    await migrate(other.database)
    await settle_as(other.database, other.nats.names.identity)
    await other.nats.jetstream.publish("events.account.AccountOpened.x", b"{}")
    said = await refused(commander, "import", str(file), **urls(other))
    assert said.startswith("the stream EVENTS holds 1 events: use a NATS without it, or delete the stream")


async def test_errors_are_one_line_and_leave_no_file(
    servers: Bank, other: Bank, commander: Run, tmp_path: Path
) -> None:
    await fill(servers.database, 3)
    one = {"COMMANDER_POSTGRES_URL": servers.database.url}
    nowhere, file = str(tmp_path / "no" / "file"), str(tmp_path / "file")
    assert await refused(commander, "export", nowhere, **one) == f"{nowhere}: No such file or directory"
    beyond = await refused(commander, "export", file, "--up-to", "4", **one)
    assert beyond == "up-to: must be from 0 to 3, the head of the log; got 4"
    assert not [name for name in os.listdir(tmp_path) if name.startswith("file")]
    assert await refused(commander, "import", file, **one) == f"{file}: No such file or directory"
    await run(commander, "export", file, **one)
    assert (await refused(commander, "import", file, **one)).startswith("the store is not empty: its log has")
    new = {"COMMANDER_POSTGRES_URL": other.database.url}
    assert (await refused(commander, "export", **new)).startswith("this database has no log")
    missing = await refused(commander, "export")
    assert missing.startswith("COMMANDER_POSTGRES_URL is not set")


async def test_through_a_pipe_and_with_filters(servers: Bank, commander: Run) -> None:
    events = await fill(servers.database, 3)
    one = {"COMMANDER_POSTGRES_URL": servers.database.url}
    given = ("--stream", events[0].stream, "--stream", events[2].stream, "--type", "AccountOpened")
    ended = await asyncio.to_thread(commander, "export", *given, "--after", "1", **one)
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [line["line"] for line in lines] == ["header", "command", "event", "end"]
    assert lines[0]["filter"] == {
        "types": ["AccountOpened"],
        "streams": [events[0].stream, events[2].stream],
        "after": 1,
    }
    assert (lines[2]["position"], lines[2]["data"]["owner"]) == (3, "Ada")
