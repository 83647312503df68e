"""Projections at work: a fold of the log, and one that fails stops alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import pytest

from commander import Domain
from commander.eventstore.projections.folding import ensure_tables, projection_statuses, row_by_key
from commander.eventstore.projections.tables import Table
from commander.examples.bank import bank
from commander.streaming.projections.progress import Behind, ProjectionProgress
from commander.streaming.projections.projecting import Projector
from tests.streaming.conftest import Bank, running
from tests.streaming.filling import fill

shop = Domain("bank")  # reads the bank's events with a projection of its own


@shop.event
@dataclass(frozen=True)
class AccountOpened:
    account_id: UUID
    owner: str


@shop.projection("picky", key="account_id")
@dataclass(frozen=True)
class Picky:
    account_id: UUID
    owner: str

    @classmethod
    def opened(cls, event: AccountOpened) -> Picky:
        if event.owner == "Eve":
            raise RuntimeError("not her")
        return cls(event.account_id, event.owner)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_rows_follow_the_log_and_who_waits_for_a_position_is_woken(servers: Bank) -> None:
    table = Table(bank.projections["account"])
    projector = Projector(bank, servers.database, servers.nats, table)
    progress = ProjectionProgress(servers.nats, servers.database, {"account": table})
    await progress.start()
    async with running(projector.run()):
        events = await fill(servers.database, 2500)
        assert not await progress.reach({"account": 2500}, timeout_seconds=10)
        last = UUID(events[-1].stream.removeprefix("account-"))
        row = await row_by_key(servers.database, table, last)
        assert row is not None and row.owner == "Ada"
        behind = await progress.reach({"account": 2501}, timeout_seconds=0.05)
        assert behind == [Behind("account", 2500, 2501, None)]


async def test_progress_is_found_in_postgres_when_no_hint_arrives(servers: Bank) -> None:
    table = Table(bank.projections["account"])
    async with running(Projector(bank, servers.database, servers.nats, table).run()):
        await fill(servers.database, 10)
        deaf = ProjectionProgress(servers.nats, servers.database, {"account": table})
        assert not await deaf.reach({"account": 10}, timeout_seconds=10)


async def test_a_projection_that_raises_stops_alone_before_the_event_and_says_so(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commander.streaming.projections.projecting._RETRY_FAILED_SECONDS", 0.01)
    picky, account = Table(shop.projections["picky"]), Table(bank.projections["account"])
    await ensure_tables(servers.database, [picky, account])
    failing = Projector(shop, servers.database, servers.nats, picky)
    well = Projector(bank, servers.database, servers.nats, account)
    await fill(servers.database, 10)
    await fill(servers.database, 1, owner="Eve")
    await fill(servers.database, 5)
    async with running(failing.run()), running(well.run()):
        await until(lambda: failing.failure is not None and well.position == 16)
    (found,) = await projection_statuses(servers.database, [picky])
    assert (found.position, found.stopped and found.stopped.position) == (10, 11)
    assert found.stopped is not None and "RuntimeError: not her" in found.stopped.error
    assert "Traceback (most recent call last)" in (found.stopped.traceback or "")
    assert await servers.database.fetchval(f'select count(*) from "{picky.name}"') == 10


async def test_of_two_failures_in_one_batch_the_earlier_is_where_it_stops(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The handler's comes first to light; that a row cannot be written only shows when it is."""
    monkeypatch.setattr("commander.streaming.projections.projecting._RETRY_FAILED_SECONDS", 0.01)
    picky = Table(shop.projections["picky"])
    await ensure_tables(servers.database, [picky])
    failing = Projector(shop, servers.database, servers.nats, picky)
    for count, owner in ((3, "Ada"), (1, "a\0b"), (2, "Ada"), (1, "Eve")):
        await fill(servers.database, count, owner=owner)
    async with running(failing.run()):
        await until(lambda: failing.failure is not None)
    (found,) = await projection_statuses(servers.database, [picky])
    assert (found.position, found.stopped and found.stopped.position) == (3, 4)
