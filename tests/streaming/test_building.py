"""Tables that are made anew: filled, indexed, and only then read; by whoever runs their code."""

# No `from __future__ import annotations`: the classes here are local, and text could not find them.

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest

from commander import Domain
from commander.eventstore.database import Database
from commander.eventstore.projections.folding import ensure_tables, row_by_key
from commander.eventstore.projections.rebuilding import rebuild
from commander.eventstore.projections.serving import ProjectionBuilding, drop, switch, table_records
from commander.eventstore.projections.tables import Table
from commander.examples.bank import bank
from commander.streaming.projections.projecting import Projector
from commander.streaming.projections.projectors import Projectors
from commander.streaming.projections.serving import ServingTables
from tests.eventstore.listing import count_of_rows
from tests.streaming.conftest import Bank, running
from tests.streaming.filling import fill


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("commander.streaming.projections.projecting._RETRY_FAILED_SECONDS", 0.02)
    monkeypatch.setattr("commander.streaming.projections.projecting._BATCH", 100)
    monkeypatch.setattr("commander.eventstore.projections.filling._MOST_EVENTS", 300)
    yield


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(15):
        while not await holds():
            await asyncio.sleep(0.01)


def owners_domain(suffix: str = "") -> Domain:
    """Reads the bank's events with a projection of its own; the row class is another for another suffix."""
    domain = Domain("bank")

    @domain.event
    @dataclass(frozen=True)
    class AccountOpened:
        account_id: UUID
        owner: str

    if suffix:

        @domain.projection("owned", key="account_id", indexes=("owner",))
        @dataclass(frozen=True)
        class Wider:
            account_id: UUID
            owner: str
            length: int

            @classmethod
            def opened(cls, event: AccountOpened) -> "Wider":
                return cls(event.account_id, event.owner + suffix, len(event.owner))

    else:

        @domain.projection("owned", key="account_id", indexes=("owner",))
        @dataclass(frozen=True)
        class Row:
            account_id: UUID
            owner: str

            @classmethod
            def opened(cls, event: AccountOpened) -> "Row":
                return cls(event.account_id, event.owner)

    return domain


PLAIN, WIDER = owners_domain(), owners_domain(suffix="!")
OLD, NEW = Table(PLAIN.projections["owned"]), Table(WIDER.projections["owned"])


async def indexes(database: Database, table: Table) -> int:
    found = await database.fetchval("select count(*) from pg_indexes where tablename = $1", table.name)
    return int(found)


async def test_a_table_is_read_once_it_is_filled_and_has_its_indexes(servers: Bank) -> None:
    await fill(servers.database, 1234)
    tables = ServingTables(servers.database, servers.nats, PLAIN.projections)
    await ensure_tables(servers.database, [OLD])
    await tables.refresh()
    with pytest.raises(ProjectionBuilding, match="the projection owned is being built"):
        tables["owned"]
    assert (tables.get("owned"), list(tables), "owned" in tables) == (None, [], False)
    assert await indexes(servers.database, OLD) == 1, "that of the key"
    async with running(tables.run()), running(Projectors(PLAIN, servers.database, servers.nats).run()):

        async def read() -> bool:
            return "owned" in tables

        await until(read)
        assert await count_of_rows(servers.database, tables["owned"]) == 1234
        assert await indexes(servers.database, OLD) == 2
        (event,) = await fill(servers.database, 1)

        async def followed() -> bool:
            return await row_by_key(servers.database, OLD, UUID(event.stream[8:])) is not None

        await until(followed)


async def test_each_code_reads_what_has_its_shape_whichever_serves(servers: Bank) -> None:
    await ensure_tables(servers.database, [OLD])
    await fill(servers.database, 3)
    old = ServingTables(servers.database, servers.nats, PLAIN.projections)
    new = ServingTables(servers.database, servers.nats, WIDER.projections)
    projectors = Projectors(PLAIN, servers.database, servers.nats)
    async with running(old.run()), running(new.run()), running(projectors.run()):
        async with running(Projectors(WIDER, servers.database, servers.nats).run()):

            async def read() -> bool:
                return "owned" in new and new["owned"].name == NEW.name

            await until(read)
        # The new table has all columns of the old shape: whoever reads those reads it too.

        async def switched() -> bool:
            return old["owned"].name == NEW.name

        await until(switched)
        await switch(servers.database, "owned", OLD.name)

        async def back() -> bool:
            return old["owned"].name == OLD.name

        await until(back)
        assert new["owned"].name == NEW.name, "the old table lacks a column: its own is read on"


async def test_a_rebuild_is_filled_by_who_runs_this_code_and_dropped_ends_its_projector(
    servers: Bank,
) -> None:
    await ensure_tables(servers.database, [OLD])
    await fill(servers.database, 450)
    projectors = Projectors(PLAIN, servers.database, servers.nats)
    async with running(projectors.run()):
        again = await rebuild(servers.database, PLAIN.projections["owned"], serves=False)
        third = await rebuild(servers.database, PLAIN.projections["owned"])
        assert len({OLD.name, again.name, third.name}) == 3
        assert len(again.name) == len(OLD.name)

        async def built() -> bool:
            records = await table_records(servers.database)
            return all(r.state == "BUILT" and r.position == 450 for r in records)

        await until(built)
        serving = {r.table_name: r.serving for r in await table_records(servers.database)}
        assert serving == {OLD.name: False, again.name: False, third.name: True}
        for table in (OLD, again, third):
            assert await count_of_rows(servers.database, table) == 450
        await drop(servers.database, "owned", OLD.name)
        await drop(servers.database, "owned", again.name)
        await fill(servers.database, 5)

        async def only_the_third() -> bool:
            return set(projectors._running) == {third.name}

        await until(only_the_third)
        assert projectors.states() == {"owned": "ok"}


@pytest.mark.parametrize("owner", ["a\0b", "".join(str(uuid4()) for _ in range(400))])
async def test_a_row_that_cannot_be_stored_is_found_however_much_was_folded_at_once(
    servers: Bank, owner: str
) -> None:
    """A character that Postgres does not take shows when it is stored, a length when the index is made."""
    await fill(servers.database, 620)
    await fill(servers.database, 1, owner=owner)
    await fill(servers.database, 200)
    projector = Projector(PLAIN, servers.database, servers.nats, OLD)
    async with running(projector.run()):

        async def stopped() -> bool:
            return projector.failure is not None

        await until(stopped)
    (record,) = await table_records(servers.database)
    assert (record.state, record.serving) == ("BUILDING", False)
    assert (record.position, record.failed_position) == (620, 621)
    assert await count_of_rows(servers.database, OLD) == 620


async def test_who_takes_over_a_half_filled_table_goes_on_from_what_is_stored(servers: Bank) -> None:
    await fill(servers.database, 2000)
    first = Projector(bank, servers.database, servers.nats, Table(bank.projections["account"]))
    task = asyncio.create_task(first.run())

    async def begun() -> bool:
        return first.position > 0

    await until(begun)
    task.cancel()
    await asyncio.wait({task})
    (record,) = await table_records(servers.database)
    table = Table(bank.projections["account"])
    assert await count_of_rows(servers.database, table) == record.position < 2000
    async with running(Projector(bank, servers.database, servers.nats, table).run()):

        async def built() -> bool:
            (found,) = await table_records(servers.database)
            return found.serving

        await until(built)
    assert await count_of_rows(servers.database, table) == 2000


async def test_events_of_other_types_are_not_even_read(servers: Bank) -> None:
    """So a projection of rare events is filled at once."""
    await fill(servers.database, 700)
    table = Table(bank.projections["transfer"])
    read: list[Any] = []
    projector = Projector(bank, servers.database, servers.nats, table)
    async with running(projector.run()):

        async def built() -> bool:
            found = await table_records(servers.database)
            read.extend(record.position for record in found)
            return any(record.serving for record in found)

        await until(built)
    assert set(read) <= {0, 700}


async def test_who_stands_by_is_well_once_the_table_is_built_by_another(servers: Bank) -> None:
    await fill(servers.database, 300)
    first, second = (Projectors(PLAIN, servers.database, servers.nats) for _ in range(2))
    async with running(first.run()), running(second.run()):

        async def both_are_well() -> bool:
            states = [projectors.states().get("owned", "") for projectors in (first, second)]
            return states == ["ok", "ok"]

        await until(both_are_well)
        (record,) = await table_records(servers.database)
        assert record.state == "BUILT", "nobody is well before"
