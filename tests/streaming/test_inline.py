"""Inline projections: never behind the log, whoever appends; and one that fails stops no command."""

# No `from __future__ import annotations`: the classes here are local, and text could not find them.

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from commander import Domain, touches
from commander.eventstore.database import Database
from commander.eventstore.projections.folding import ensure_tables
from commander.eventstore.projections.rebuilding import rebuild
from commander.eventstore.projections.serving import TableRecord, switch, table_records
from commander.eventstore.projections.tables import Table
from commander.streaming.projections.progress import ProjectionProgress
from commander.streaming.projections.projecting import Projector
from commander.streaming.projections.projectors import Projectors
from commander.testing import rows as rows_in_memory
from tests.eventstore.listing import page_of_rows
from tests.placed import Placed
from tests.streaming.conftest import Bank, running

UNLUCKY = 13
MENDED = asyncio.Event()


def till_domain(*, sums: bool = True) -> Domain:
    """A till. The projection has one row for each digit: tills of all partitions touch it."""
    till = Domain("till")

    @till.event
    @dataclass(frozen=True)
    class Paid:
        till_id: UUID
        amount: int

    @till.command
    @dataclass(frozen=True)
    class Pay:
        till_id: UUID
        amount: int

    @till.aggregate(key="till_id")
    @dataclass(frozen=True)
    class Till:
        count: int = 0

        def pay(self, command: Pay) -> Paid:
            return Paid(command.till_id, command.amount)

        def paid(self, event: Paid) -> "Till":
            return replace(self, count=self.count + 1)

    if sums:

        @till.projection("sum", key="digit", inline=True, indexes=("total",))
        @dataclass(frozen=True)
        class Sum:
            digit: int
            total: int = 0
            count: int = 0

            @touches(lambda event: [event.amount % 10])
            @classmethod
            def paid(cls, event: Paid, row: "Sum | None", digit: int) -> "Sum":
                if event.amount == UNLUCKY and not MENDED.is_set():
                    raise ValueError("unlucky")
                before = row or cls(digit)
                return cls(digit, before.total + event.amount, before.count + 1)

    return till


TILL, WITHOUT = till_domain(), till_domain(sums=False)
TABLE = Table(TILL.projections["sum"])


@pytest.fixture(autouse=True)
def unmended(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("commander.streaming.projections.projecting._RETRY_FAILED_SECONDS", 0.02)
    yield
    MENDED.clear()


def paying(amount: int, domain: Domain = TILL) -> Any:
    return domain.commands["Pay"].cls(uuid4(), amount)


async def record(database: Database, table: Table = TABLE) -> TableRecord:
    (found,) = (r for r in await table_records(database) if r.table_name == table.name)
    return found


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(15):
        while not await holds():
            await asyncio.sleep(0.01)


async def assert_is_the_fold(servers: Bank, table: Table = TABLE) -> None:
    events = [TILL.decode(e.type, e.schema_version, e.data, e.position) for e in await servers.log()]
    rows = await page_of_rows(servers.database, table, None, 100)
    assert {row.digit: row for row in rows} == rows_in_memory(TILL, "sum", events)


LAG = """select log_head.position - projections.position from log_head, projections where table_name = $1"""


async def test_it_is_never_behind_whichever_of_several_processors_appends(servers: Bank) -> None:
    """Two processors share the partitions, and every row is touched by both."""
    await ensure_tables(servers.database, [TABLE])
    lags: list[int] = []

    async def watch() -> None:
        while True:
            lags.append(await servers.database.fetchval(LAG, TABLE.name))
            await asyncio.sleep(0)

    progress = ProjectionProgress(servers.nats, servers.database, {"sum": TABLE})
    await progress.start()
    processors = [servers.processor(TILL, batch_size=20) for _ in range(2)]
    async with AsyncExitStack() as stack:
        for processor in processors:
            await stack.enter_async_context(running(processor.run()))

        async def shared() -> bool:
            return sorted(map(len, (p.owned for p in processors))) == [2, 2]

        await until(shared)
        await stack.enter_async_context(running(watch()))
        ids = [await servers.submit(paying(n % 40 + 20), TILL) for n in range(400)]
        for command_id in ids:
            await servers.outcome(command_id)
        assert not await progress.reach({"sum": 400}, timeout_seconds=30), "and who waits for it hears"
    assert set(lags) == {0}
    assert len(lags) > 20
    assert (await record(servers.database)).position == 400
    await assert_is_the_fold(servers)


async def test_one_that_fails_stops_no_command_and_goes_on_when_it_is_mended(servers: Bank) -> None:
    await ensure_tables(servers.database, [TABLE])
    projector = Projector(TILL, servers.database, servers.nats, TABLE)
    async with running(servers.processor(TILL).run()):
        for amount in (1, UNLUCKY, 5):
            ended = await servers.outcome(await servers.submit(paying(amount), TILL))
            assert ended.status == "APPLIED"
        stopped = await record(servers.database)
        assert (stopped.inline, stopped.position, stopped.failed_position) == (False, 1, 2)
        assert stopped.error == Placed("projection sum failed on Paid at position 2: ValueError: unlucky")
        async with running(projector.run()):

            async def tried() -> bool:
                return projector.failure is not None

            await until(tried)
            assert (await record(servers.database)).position == 1
            MENDED.set()

            async def inline() -> bool:
                return (await record(servers.database)).inline

            await until(inline)
        mended = await record(servers.database)
        assert (mended.position, mended.error) == (3, None)
        await servers.outcome(await servers.submit(paying(7), TILL))
        assert await servers.database.fetchval(LAG, TABLE.name) == 0, "its projector is gone"
    await assert_is_the_fold(servers)


async def test_it_is_built_from_history_and_then_handed_over_while_commands_come(servers: Bank) -> None:
    async with running(servers.processor(TILL, batch_size=50).run()):
        for n in range(100):
            last = await servers.submit(paying(n + 20), TILL)
        await servers.outcome(last)
        async with running(Projectors(TILL, servers.database, servers.nats).run()):

            async def handed_over() -> bool:
                last = await servers.submit(paying(20), TILL)
                await servers.outcome(last)
                found = [r for r in await table_records(servers.database) if r.serving]
                return bool(found and found[0].inline)

            await until(handed_over)
            # Again, beside the one that serves; each is the fold when it is handed over or given back.
            newer = await rebuild(servers.database, TILL.projections["sum"])

            async def newer_serves() -> bool:
                await servers.submit(paying(21), TILL)
                return (await record(servers.database, newer)).inline

            await until(newer_serves)

            async def older_follows() -> bool:
                return not (await record(servers.database)).inline

            await until(older_follows)
            await switch(servers.database, "sum", TABLE.name)

            async def exchanged() -> bool:
                old, new = await record(servers.database), await record(servers.database, newer)
                return (old.inline, new.inline) == (True, False)

            await until(exchanged)
            await servers.outcome(await servers.submit(paying(22), TILL))

            async def both_are_there() -> bool:
                head = len(await servers.log())
                return {(await record(servers.database, t)).position for t in (TABLE, newer)} == {head}

            await until(both_are_there)
        await servers.outcome(await servers.submit(paying(23), TILL))
        assert await servers.database.fetchval(LAG, TABLE.name) == 0
    await assert_is_the_fold(servers)


async def test_what_a_processor_without_it_appends_is_made_up_for(servers: Bank) -> None:
    await ensure_tables(servers.database, [TABLE])
    async with running(servers.processor(WITHOUT).run()):
        await servers.outcome(await servers.submit(paying(1, WITHOUT), WITHOUT))
    assert await servers.database.fetchval(LAG, TABLE.name) == 1
    async with running(servers.processor(TILL).run()):  # by the next that has it
        await servers.outcome(await servers.submit(paying(2), TILL))
    assert await servers.database.fetchval(LAG, TABLE.name) == 0
    projector = Projector(TILL, servers.database, servers.nats, TABLE)
    async with running(servers.processor(WITHOUT).run()), running(projector.run()):  # or by its projector
        await servers.outcome(await servers.submit(paying(3, WITHOUT), WITHOUT))

        async def caught_up() -> bool:
            return bool(await servers.database.fetchval(LAG, TABLE.name) == 0)

        await until(caught_up)
    assert (await record(servers.database)).inline
    await assert_is_the_fold(servers)


async def test_too_much_to_make_up_for_is_left_to_its_projector(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ensure_tables(servers.database, [TABLE])
    async with running(servers.processor(WITHOUT).run()):
        for amount in range(20, 28):
            last = await servers.submit(paying(amount, WITHOUT), WITHOUT)
        await servers.outcome(last)
    monkeypatch.setattr("commander.eventstore.projections.inline._MOST_MISSING", 3)
    async with running(servers.processor(TILL).run()):
        await servers.outcome(await servers.submit(paying(2), TILL))
        found = await record(servers.database)
        assert (found.inline, found.position) == (False, 0)
        async with running(Projector(TILL, servers.database, servers.nats, TABLE).run()):

            async def inline() -> bool:
                return (await record(servers.database)).inline

            await until(inline)
    assert await servers.database.fetchval(LAG, TABLE.name) == 0
    await assert_is_the_fold(servers)


async def test_a_batch_that_is_not_committed_leaves_nothing_in_it(servers: Bank) -> None:
    """The rows are of the transaction of the events, not only near it."""
    await ensure_tables(servers.database, [TABLE])
    await servers.database.fetch(
        """create function refuse() returns trigger language plpgsql as
           $$ begin raise exception 'no' using errcode = 'admin_shutdown'; end $$"""
    )
    await servers.database.fetch(
        """create constraint trigger refuse after insert on events deferrable initially deferred
           for each row execute function refuse()"""
    )
    async with running(servers.processor(TILL).run()):
        command_id = await servers.submit(paying(1), TILL)

        async def tried() -> bool:
            sql = "select n_tup_ins > 0 from pg_stat_user_tables where relname = $1"
            return bool(await servers.database.fetchval(sql, TABLE.name))

        await until(tried)
        assert await page_of_rows(servers.database, TABLE, None, 9) == []
        await servers.database.fetch("drop trigger refuse on events")
        await servers.outcome(command_id)
    await assert_is_the_fold(servers)
