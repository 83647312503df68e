"""After the death of a process, the events that may have been the cause are handled in small steps, alone."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from commander.eventstore.handling import Left, begin_handling, end_handling, mark_handling
from commander.eventstore.projections.folding import ensure_tables
from commander.eventstore.projections.serving import table_record
from commander.eventstore.projections.tables import Table
from commander.examples.bank import bank
from commander.streaming.handling import HandlingRun
from commander.streaming.projections import quarantine
from commander.streaming.projections.projecting import Projector
from tests.faults.waiting import until
from tests.streaming.conftest import Bank, running
from tests.streaming.filling import fill

TABLE = Table(bank.projections["account"])
_MARKS = "select handler, run, deaths, cause from handling"
HANDLER = quarantine.handler_of(TABLE)


@pytest.mark.parametrize(
    ("stored", "causes", "deaths"),
    [
        (None, [], 0),
        ((0, None), [500, 1000, 1200], 1),
        ((1, 3), [1, 2, 3], 2),
        ((1, 1), [1], 2),
    ],
    ids=["none has died", "a first death: ranges", "a death in a range: one by one", "of one event"],
)
async def test_a_projector_marks_what_may_have_ended_the_run_before_and_nothing_else(
    servers: Bank,
    monkeypatch: pytest.MonkeyPatch,
    stored: tuple[int, int | None] | None,
    causes: list[int],
    deaths: int,
) -> None:
    marks: list[tuple[int, int | None]] = []

    async def noted(*given: Any) -> None:
        marks.append((*given[3:], 0, None)[:2])
        await mark_handling(*given)

    monkeypatch.setattr(quarantine, "mark_handling", noted)
    await ensure_tables(servers.database, [TABLE])
    await fill(servers.database, 1200)
    if stored is not None:
        async with servers.database.connection() as connection:
            await mark_handling(connection, [HANDLER], uuid4(), *stored)
    run = HandlingRun()
    projector = Projector(bank, servers.database, servers.nats, TABLE, run)
    async with running(projector.run()):
        await until(lambda: projector.position == 1200, "the table is at the head")
        async with asyncio.timeout(10):  # the last mark follows the last events
            while [tuple(row) for row in await servers.database.fetch(_MARKS)] != [
                (HANDLER, run.id, 0, None)
            ]:
                await asyncio.sleep(0.01)
    assert marks == [*((deaths, one) for one in causes), *([(0, None)] if stored else [])]
    assert not await servers.database.fetchval("select count(*) from handling"), "it ended cleanly"


async def test_few_events_are_folded_one_by_one_after_a_first_death(servers: Bank) -> None:
    """So an event must end two runs alone before it is set aside."""
    await ensure_tables(servers.database, [TABLE])
    await fill(servers.database, 3)
    positions = []

    async def fold(log_range: Any) -> None:
        positions.append(log_range.up_to)

    async with servers.database.connection() as connection:
        await mark_handling(connection, [HANDLER], uuid4())
        record = await table_record(connection, TABLE)
        never = asyncio.Future[Any]
        await quarantine.begin_table(connection, TABLE, HandlingRun(), record, never, fold)
    assert positions == [1, 2, 3]


async def test_what_is_set_aside_stays_so_and_only_marks_of_others_are_deaths(servers: Bank) -> None:
    mine, other = uuid4(), uuid4()
    async with servers.database.connection() as connection:
        assert await begin_handling(connection, ["a", "b"], mine) == {}
        assert await begin_handling(connection, ["a", "b"], mine) == {}, "its own marks are not a death"
        assert await begin_handling(connection, ["a", "c"], other) == {"a": Left(0, None)}
        await mark_handling(connection, ["b"], mine, 3, 7)
        await end_handling(connection, ["a", "b", "c"], mine)
        assert await begin_handling(connection, ["a", "b", "c"], mine) == {
            "b": Left(3, 7),
            "c": Left(0, None),
        }


def test_a_death_counts_for_the_cause_only_if_that_is_not_handled() -> None:
    assert Left(0, None).deaths_now(5) == 1
    assert Left(1, 5).deaths_now(5) == 1
    assert Left(1, 6).deaths_now(5) == 2
    assert Left(2, 6).deaths_now(5) == Left(3, 6).deaths_now(5) == 3


async def test_one_runs_alone_while_the_others_wait() -> None:
    run, seen = HandlingRun(), list[str]()
    free = asyncio.Event()

    async def together(name: str) -> None:
        async with run.together():
            seen.append(f"{name} begins")
            await free.wait()
            seen.append(f"{name} ends")

    async def alone() -> None:
        async with run.alone():
            seen.append("alone begins")
            await asyncio.sleep(0)
            seen.append("alone ends")

    async with asyncio.TaskGroup() as group:
        group.create_task(together("a"))
        group.create_task(together("b"))
        await asyncio.sleep(0)
        group.create_task(alone())
        await asyncio.sleep(0)
        group.create_task(together("c"))
        for _ in range(5):
            await asyncio.sleep(0)
        assert seen == ["a begins", "b begins"]
        free.set()
    assert seen[4:] == ["alone begins", "alone ends", "c begins", "c ends"]
