"""NATS loses its disk: what reactors had sent happens, once, and what clients had queued is named as lost."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from asyncpg import UndefinedTableError
from msgspec.structs import replace

from commander.dev.embedded import EmbeddedNats
from commander.domain.errors import Unavailable
from commander.eventstore.database import Database
from commander.eventstore.log.pending import Keep, Sent, lost_streams, remember, undecided_reactions
from commander.eventstore.reactions.reactors import reactor_statuses
from commander.streaming.commands.sending_again import LossWatch, send_again
from commander.streaming.commands.submitting import Submitter
from commander.streaming.nats.streams import ensure_streams, queue_depth
from commander.streaming.reactors.reacting import ReactorRunner
from commander.streaming.reactors.recurring import Ticker
from commander.streaming.restoring.differences import differences
from commander.streaming.restoring.restore import restore
from tests.e2e.parts import Part, Parts
from tests.forking import fork_server
from tests.streaming.conftest import PARTITIONS, Bank, running, submitted
from tests.streaming.errands import Ask, Run, errands

DOMAIN = "tests.streaming.errands:errands"
ONCE = ("now", "soon", "started", "out of patience")


async def wipe(server: EmbeddedNats) -> None:
    """Its disk is lost: it starts again with nothing."""
    await server.stop()
    shutil.rmtree(server.data_dir / "nats")
    await server.start()


async def new_stream(servers: Bank) -> None:
    await servers.nats.jetstream.delete_stream("COMMANDS")
    await ensure_streams(servers.nats, 1)
    servers.submitter._stream = None  # the old one is believed for a second


def runner(servers: Bank, name: str = "runner") -> ReactorRunner:
    reactor = errands.reactors[name]
    return ReactorRunner(errands, servers.database, servers.nats, servers.submitter, reactor)


async def look(servers: Bank) -> None:
    connection = await servers.database.connect("test")
    try:
        await LossWatch(servers.database, servers.nats, servers.submitter).look(connection)
    finally:
        connection.terminate()


async def ask(servers: Bank, count: int) -> list[UUID]:
    """Errands that were asked for; no reaction to them has been decided."""
    asked = [uuid4() for _ in range(count)]
    async with running(servers.processor(errands).run()):
        for errand_id in asked:
            last = await servers.submit(Ask(errand_id), errands)
        await servers.outcome(last)
    return asked


async def exists(servers: Bank) -> bool:
    with suppress(Unavailable):
        return bool(await queue_depth(servers.nats))
    return False


async def until_reacted(servers: Bank, *reactors: str) -> None:
    async with asyncio.timeout(40):
        while True:
            head, statuses = await reactor_statuses(servers.database)
            if {one.name for one in statuses if one.position == head} >= {*reactors}:
                return
            await asyncio.sleep(0.02)


async def runs(servers: Bank) -> Counter[tuple[str, str]]:
    """How often each errand was run, and why."""
    rows = await servers.database.fetch(
        "select data ->> 'errand_id' as errand, data ->> 'why' as why from events where type = 'Ran'"
    )
    return Counter((row["errand"], row["why"]) for row in rows)


async def until_run(servers: Bank, asked: Sequence[UUID], why: Sequence[str] = ONCE) -> None:
    """Each errand is run for each of these reasons, once."""
    wanted = {(str(errand), reason): 1 for errand in asked for reason in why}
    async with asyncio.timeout(40):
        while not (await runs(servers)).keys() >= wanted.keys():
            await asyncio.sleep(0.05)
    assert await runs(servers) == wanted


async def scheduled(servers: Bank) -> set[str]:
    info = await servers.nats.jetstream.stream_info("COMMANDS", subjects_filter="commands.scheduled.>")
    return set(info.state.subjects or {})


async def remembered(servers: Bank) -> int:
    return int(await servers.database.fetchval("select count(*) from pending_commands"))


async def test_each_reaction_happens_once_although_the_disk_of_nats_is_lost(
    servers: Bank, nats_server: EmbeddedNats, database_url: str, tmp_path: Path
) -> None:
    asked = await ask(servers, 15)
    with Parts(database_url, nats_server.url, tmp_path) as parts:
        count = str(PARTITIONS)
        parts.start("reactors", domain=DOMAIN, COMMANDER_PARTITIONS=count)
        await until_reacted(servers, "runner", "patience")
        some_day = await scheduled(servers)
        await wipe(nats_server)
        async with asyncio.timeout(40):
            while not await exists(servers):  # the running part makes it again
                await asyncio.sleep(0.05)
        await asyncio.to_thread(partial(parts.start, "processor", domain=DOMAIN, COMMANDER_PARTITIONS=count))
        await until_run(servers, asked)
        async with asyncio.timeout(20):
            while len(await scheduled(servers)) < 2 * len(asked) + 1:
                await asyncio.sleep(0.05)
        assert await scheduled(servers) <= some_day, "the same: for some day, and the next tick"
        [lost] = await lost_streams(servers.database)
        assert lost.sent_again >= 3 * len(asked)
        async with asyncio.timeout(30):
            while await remembered(servers) > len(asked) + 1:
                await asyncio.sleep(0.1)


async def test_deadlines_are_set_again_while_the_reactor_runs(servers: Bank) -> None:
    await ask(servers, 3)
    async with running(runner(servers, "patience").run()):
        await until_reacted(servers, "patience")
        before = await scheduled(servers)
        await servers.nats.jetstream.delete_stream("COMMANDS")
        await ensure_streams(servers.nats, 1)
        async with asyncio.timeout(20):
            while await scheduled(servers) != before:
                await asyncio.sleep(0.05)


async def test_a_tick_that_was_queued_is_sent_again(servers: Bank) -> None:
    def now() -> datetime:
        return datetime(2020, 12, 31, tzinfo=UTC)

    connection = await servers.database.connect("test")
    try:
        one = Ticker(errands, servers.database, servers.nats, servers.submitter, now=now)
        await one.set_next(connection)
        await look(servers)
        await new_stream(servers)
        await look(servers)
        later = Ticker(errands, servers.database, servers.nats, servers.submitter)
        await later.set_next(connection)
    finally:
        connection.terminate()
    async with running(servers.processor(errands).run()):
        await until_run(servers, [UUID(int=2021)], ["a new year"])


async def test_what_a_crashed_reactor_has_sent_to_a_lost_stream_is_found_later(servers: Bank) -> None:
    [errand] = await ask(servers, 1)
    await look(servers)
    before = await servers.submitter.stream_created()
    await new_stream(servers)
    await look(servers)
    late = submitted(Run(errand, "late"), errands)
    async with servers.database.connection() as connection:
        await remember(connection, Sent(before, [late]))
    await look(servers)
    async with running(servers.processor(errands).run()):
        await until_run(servers, [errand], ["late"])


async def test_what_is_decided_is_forgotten_and_not_sent_again(servers: Bank) -> None:
    asked = await ask(servers, 3)
    async with running(runner(servers).run()), running(servers.processor(errands).run()):
        await until_run(servers, asked, ("now", "soon"))
    assert await remembered(servers) == 9
    await look(servers)
    assert await remembered(servers) == 3, "those for some day"
    await new_stream(servers)
    await look(servers)
    assert len(await scheduled(servers)) == (await queue_depth(servers.nats)).messages == 3


async def test_a_long_queue_is_sent_again_in_its_order(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commander.eventstore.log.pending._PAGE", 7)
    monkeypatch.setattr("commander.eventstore.log.pending._SWEPT", 7)
    errand, begin = uuid4(), datetime.now(UTC)
    commands = [
        replace(submitted(Run(errand, str(n)), errands), submitted_at=begin + timedelta(microseconds=n))
        for n in range(40)
    ]
    connection = await servers.database.connect("test")
    try:
        for created in (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)):
            half = commands[:20] if created.year == 2000 else commands[20:]
            await remember(connection, Sent(created, half))
    finally:
        connection.terminate()
    await look(servers)
    async with running(servers.processor(errands).run()):
        await until_run(servers, [errand], [str(n) for n in range(40)])
    decided = await servers.database.fetch("select data ->> 'why' as why from events order by position")
    order = [int(row["why"]) for row in decided]
    assert [n for n in order if n < 20] == list(range(20))
    assert [n for n in order if n >= 20] == list(range(20, 40))
    await look(servers)
    assert await remembered(servers) == 0


async def test_what_clients_had_queued_is_named_as_lost(
    servers: Bank, nats_server: EmbeddedNats, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        await servers.submit(Ask(uuid4()), errands)
    await look(servers)
    await new_stream(servers)
    with caplog.at_level(logging.WARNING, "commander.commands"):
        await look(servers)
        await look(servers)
    [told] = [record for record in caplog.records if "is lost" in record.message]
    assert told.levelno == logging.ERROR
    assert (
        "it had 3 messages. 0 pending commands that Postgres has are sent again. Others are lost"
        in told.message
    )
    [lost] = await lost_streams(servers.database)
    assert (lost.messages, lost.sent_again) == (3, 0)
    urls = {"COMMANDER_POSTGRES_URL": database_url, "COMMANDER_NATS_URL": nats_server.url}
    ended = await asyncio.to_thread(fork_server().run, ["restore"], {**os.environ, **urls})
    shown = ended.stdout
    assert "no difference" in shown
    assert "COMMANDS was lost at" in shown and "it had 3 messages" in shown


async def test_kept_commands_of_clients_are_sent_again(
    servers: Bank, nats_server: EmbeddedNats, database_url: str, tmp_path: Path
) -> None:
    asked = [uuid4() for _ in range(5)]
    with Parts(database_url, nats_server.url, tmp_path) as parts:
        count = str(PARTITIONS)
        starting = partial(parts.start, COMMANDER_PARTITIONS=count, COMMANDER_KEEP_ACCEPTED="true")
        [api] = await asyncio.to_thread(starting, "api", domain=DOMAIN)
        for errand_id in asked:
            assert await asyncio.to_thread(accepted, api, errand_id) == "CommandAccepted"
        await look(servers)
        await wipe(nats_server)
        async with asyncio.timeout(40):
            while not await exists(servers):
                await asyncio.sleep(0.05)
        await look(servers)
        async with running(servers.processor(errands).run()), asyncio.timeout(20):
            while len(log := await servers.log()) < 5:
                await asyncio.sleep(0.05)
    assert {event.stream for event in log} == {f"errand-{errand_id}" for errand_id in asked}


def accepted(api: Part, errand_id: UUID) -> str:
    document = (
        """mutation ($id: UUID!) { ask(input: {errandId: $id}, options: {wait: ACCEPTED}) { __typename } }"""
    )
    return str(api.data(document, id=str(errand_id))["ask"]["__typename"])


async def test_a_receipt_of_a_kept_command_waits_for_postgres(
    servers: Bank, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeping = Submitter(servers.nats, PARTITIONS, keep=Keep(database))
    await database.fetch("alter table pending_commands rename to gone")
    with pytest.raises(UndefinedTableError):
        await keeping.submit(submitted(Ask(uuid4()), errands))
    await database.fetch("alter table gone rename to pending_commands")
    await keeping.submit(submitted(Ask(uuid4()), errands))
    assert await remembered(servers) == 1

    def down() -> None:
        raise Unavailable("Postgres", "it is away")

    monkeypatch.setattr(database.circuit, "must_write", down)
    before = await queue_depth(servers.nats)
    with pytest.raises(Unavailable):
        await keeping.submit(submitted(Ask(uuid4()), errands))
    assert await queue_depth(servers.nats) == before, "it was not sent"


async def test_a_stream_that_was_set_back_gets_what_it_lacks(servers: Bank) -> None:
    asked = await ask(servers, 4)
    async with running(runner(servers).run()):
        await until_reacted(servers, "runner")
    await servers.nats.jetstream.purge_stream("COMMANDS")
    await look(servers)
    assert await lost_streams(servers.database) == [], "it is the same stream"
    assert await send_again(servers.database, servers.submitter, "patience") == 0
    assert await send_again(servers.database, servers.submitter) == 12
    assert await send_again(servers.database, servers.submitter, "runner") == 12
    async with running(servers.processor(errands).run()):
        await until_run(servers, asked, ("now", "soon"))


async def test_missing_reactions_are_counted(servers: Bank) -> None:
    await ask(servers, 4)
    async with running(runner(servers).run()):
        await until_reacted(servers, "runner")
    created = (await queue_depth(servers.nats)).created
    assert await undecided_reactions(servers.database, created) == {"runner": (12, 0)}
    await new_stream(servers)
    created = (await queue_depth(servers.nats)).created
    assert await undecided_reactions(servers.database, created) == {"runner": (12, 12)}
    await look(servers)
    assert await undecided_reactions(servers.database, created) == {"runner": (12, 0)}


async def test_what_is_sent_again_is_named(servers: Bank, caplog: pytest.LogCaptureFixture) -> None:
    await look(servers)
    created = (await queue_depth(servers.nats)).created
    kept = [submitted(Run(uuid4(), "kept"), errands) for _ in range(11)]
    async with servers.database.connection() as connection:
        await remember(connection, Sent(created, kept))
    await new_stream(servers)
    with caplog.at_level(logging.WARNING, "commander.commands"):
        await look(servers)
    [told] = [record.message for record in caplog.records if "is lost" in record.message]
    assert "11 pending commands that Postgres has are sent again (Run " in told
    assert len([one for one in kept if f"Run {one.command_id}, " in told]) == 10
    assert ", …)" in told


async def test_commander_restore_sends_what_only_postgres_has(
    servers: Bank, nats_server: EmbeddedNats, database_url: str
) -> None:
    asked = await ask(servers, 4)
    async with running(runner(servers).run()):
        await until_reacted(servers, "runner")
    await servers.nats.jetstream.purge_stream("COMMANDS")
    urls = {"COMMANDER_POSTGRES_URL": database_url, "COMMANDER_NATS_URL": nats_server.url}
    shown = await asyncio.to_thread(fork_server().run, ["restore"], {**os.environ, **urls})
    assert "12 pending commands are in Postgres too: Run " in shown.stdout
    found = await differences(servers.database, servers.nats)
    assert (await restore(servers.database, servers.nats, found, 1)).sent_again == 12
    async with running(servers.processor(errands).run()):
        await until_run(servers, asked, ("now", "soon"))
