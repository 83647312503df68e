"""At its start a part compares what is stored with its code, and refuses what would lose or repeat."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from commander import Domain
from commander.eventstore.log.stored_names import stored_names
from commander.eventstore.projections.serving import TableRecord, switch, table_records
from commander.eventstore.projections.tables import Table
from commander.parts.stored_names import StoredNamesDiffer, compare_names
from commander.streaming.projections.projectors import Projectors
from commander.streaming.projections.serving import ServingTables
from tests.e2e import kiosk_new, kiosk_old
from tests.streaming.conftest import Bank, running, servers

__all__ = ["servers"]

OLD, NEW = kiosk_old.kiosk, kiosk_new.kiosk


async def sold(servers: Bank, *items: str) -> UUID:
    """A stand that has sold these, by the old code, with the checkpoints that its parts store."""
    stand = uuid4()
    for part in ("processor", "reactors", "effects"):
        await compare_names(servers.database, OLD, part)
    async with running(servers.processor(OLD).run()):
        for item in items:
            await servers.outcome(await servers.submit(kiosk_old.Buy(stand, item), OLD))
    return stand


def renamed(**names: Any) -> Domain:
    """The old domain with new names, each with these arguments of its decorator."""
    domain = Domain("kiosk")

    @domain.command(was=("Buy",))
    @dataclass(frozen=True)
    class Purchase:
        stand_id: UUID
        item: str

    @domain.event(**names.get("event", {"was": ("Bought",)}))
    @dataclass(frozen=True)
    class ItemSold:
        stand_id: UUID
        item: str

    @domain.event(name="Thanked")
    @dataclass(frozen=True)
    class ThanksSaid:
        stand_id: UUID

    @domain.aggregate(key="stand_id", **names.get("aggregate", {"was": ("stand",)}))
    @dataclass(frozen=True)
    class Shop:
        def buy(self, command: Purchase) -> ItemSold:
            return ItemSold(command.stand_id, command.item)

        def sold(self, event: ItemSold) -> Any:
            return replace(self)

        def thanked(self, event: ThanksSaid) -> Any:
            return self

    @domain.reactor(**names.get("reactor", {"was": ("Greeter",)}))
    class Courtesy:
        def sold(self, event: ItemSold) -> None: ...

    @domain.effect(ItemSold, **names.get("effect", {"was": ("tell",)}))
    async def report(event: ItemSold) -> None: ...

    @domain.projection("stand", key="stand_id")
    @dataclass(frozen=True)
    class StandRow:
        stand_id: UUID
        sold: int = 0

        @staticmethod
        def sale(event: ItemSold, row: Any) -> Any:
            return replace(row or StandRow(event.stand_id), sold=(row.sold if row else 0) + 1)

    domain.retired(reactors=("counting",), recurring=("nightly",))
    return domain


async def refusal(servers: Bank, domain: Domain, part: str) -> str:
    with pytest.raises(StoredNamesDiffer) as refused:
        await compare_names(servers.database, domain, part)
    return str(refused.value)


async def test_what_is_renamed_with_its_earlier_names_starts_without_a_word(
    servers: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    await sold(servers, "tea", "bun")
    with caplog.at_level(logging.WARNING, logger="commander.names"):
        for part in ("api", "processor", "relay", "projections", "reactors", "effects"):
            await compare_names(servers.database, NEW, part)
    assert caplog.messages == []


async def test_names_are_counted_once_also_what_nobody_told_of(servers: Bank) -> None:
    for _ in range(2):
        await sold(servers, "tea", "bun")
    stored = await stored_names(servers.database)
    assert (dict(stored.events), dict(stored.commands)) == ({("stand", "Bought"): 4}, {"Buy": 4})
    assert await stored_names(servers.database) == stored
    await sold(servers, "pie")
    assert (await stored_names(servers.database)).events == {("stand", "Bought"): 5}


async def test_a_renamed_event_is_named_with_its_count_and_the_nearest_name(
    servers: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    await sold(servers, "tea", "bun")
    await compare_names(servers.database, renamed(event={"name": "WasBought"}), "api")
    assert caplog.messages == [
        "the log has 2 events of the type Bought, which the domain kiosk does not have. If WasBought is its "
        'new name, write was=("Bought",) there; if it is gone for good, kiosk.retired(events=("Bought",))'
    ]


@pytest.mark.parametrize("part", ["api", "processor", "projections"])
async def test_no_part_starts_that_would_open_the_streams_of_a_renamed_aggregate_again(
    servers: Bank, part: str
) -> None:
    await sold(servers, "tea")
    problem = await refusal(servers, renamed(aggregate={}), part)
    assert "the log has 1 events in streams of stand" in problem
    assert 'write was=("stand",) in the decorator of shop' in problem
    left = renamed(aggregate={})
    left.retired(aggregates=("stand",))
    await compare_names(servers.database, left, part)


async def test_streams_under_two_names_of_one_aggregate_are_refused(servers: Bank) -> None:
    await sold(servers, "tea")
    domain = renamed(aggregate={})
    async with running(servers.processor(domain).run()):
        command = next(iter(domain.commands.values())).cls(uuid4(), "bun")
        await servers.outcome(await servers.submit(command, domain))
    problem = await refusal(servers, renamed(), "processor")
    assert "under several names (1 of stand, 1 of shop)" in problem
    assert "There are 1 events of shop too. " in await refusal(servers, domain, "processor")


@pytest.mark.parametrize(
    ("kind", "part", "table", "old", "new"),
    [
        ("reactor", "reactors", "reactors", "greeter", "courtesy"),
        ("effect", "effects", "effects", "tell", "report"),
    ],
)
async def test_what_is_new_while_there_is_history_says_where_it_begins(
    servers: Bank, kind: str, part: str, table: str, old: str, new: str
) -> None:
    await sold(servers, "tea", "bun")
    problem = await refusal(servers, renamed(**{kind: {}}), part)
    assert f"the {kind} {new} is new, and the log has 2 events" in problem
    assert f'or was=("{old}",) if that is its earlier name' in problem
    assert 'begins="now"' in problem and 'begins="beginning"' in problem
    await compare_names(servers.database, renamed(**{kind: {}}), "api")

    positions: dict[str, Callable[[], Domain]] = {
        "now": lambda: renamed(**{kind: {"begins": "now", "name": "Later"}}),
        "beginning": lambda: renamed(**{kind: {"begins": "beginning"}}),
    }
    for domain in positions.values():
        await compare_names(servers.database, domain(), part)
    rows = await servers.database.fetch(f"select name, position from {table}")
    found = {row["name"].lower(): row["position"] for row in rows}
    assert (found["later"], found[new], found[old]) == (2, 0, 0)

    problem = await refusal(servers, renamed(**{kind: {"was": (old,)}}), part)
    assert f"the {kind} {old} has checkpoints under {' and '.join(sorted((old, new)))}" in problem


async def test_on_an_empty_log_nothing_need_be_said_whichever_part_starts_first(servers: Bank) -> None:
    await compare_names(servers.database, OLD, "processor")
    async with running(servers.processor(OLD).run()):
        await servers.outcome(await servers.submit(kiosk_old.Buy(uuid4(), "tea"), OLD))
    for part in ("reactors", "effects"):
        await compare_names(servers.database, OLD, part)
    assert await servers.database.fetchval("select max(position) from reactors") == 0
    assert await servers.database.fetchval("select position from effects") == 0


async def until_built(servers: Bank, table_name: str) -> TableRecord:
    async with asyncio.timeout(20):
        while True:
            for record in await table_records(servers.database):
                if record.table_name == table_name and record.state == "BUILT":
                    return record
            await asyncio.sleep(0.02)


async def read_from(servers: Bank, domain: Domain) -> str:
    """The table that an API with this code reads."""
    tables = ServingTables(servers.database, servers.nats, domain.projections)
    await tables.refresh()
    return tables["stand"].name


async def test_a_table_that_skipped_events_of_unknown_types_serves_only_when_somebody_says_so(
    servers: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    await sold(servers, "tea")
    before = Table(OLD.projections["stand"]).name
    async with running(Projectors(OLD, servers.database, servers.nats).run()):
        assert (await until_built(servers, before)).serving
    skipping = renamed(event={"name": "WasBought"})
    made = Table(skipping.projections["stand"]).name
    projectors = Projectors(skipping, servers.database, servers.nats)
    async with running(projectors.run()):
        record = await until_built(servers, made)
        assert (record.serving, record.is_held, record.skipped) == (False, True, {"Bought": 1})
        async with asyncio.timeout(10):
            while "it skipped events" not in projectors.states()["stand"]:
                await asyncio.sleep(0.02)
    assert f"commander projections switch stand {made}" in caplog.text
    assert await read_from(servers, skipping) == before

    known = renamed()
    assert Table(known.projections["stand"]).name == made, "the same code of the projection"
    projectors = Projectors(known, servers.database, servers.nats)
    async with running(projectors.run()):
        async with asyncio.timeout(20):
            while (again := await read_from(servers, known)) == before:
                await asyncio.sleep(0.02)
        assert again not in (before, made), "what was skipped is read into another table"
        assert await servers.database.fetchval(f"select sold from {again}") == 1
        async with asyncio.timeout(10):
            while projectors.states() != {"stand": "ok"}:
                await asyncio.sleep(0.02)
    await switch(servers.database, "stand", made)
    assert await read_from(servers, skipping) == made


async def test_what_is_retired_is_skipped_on_purpose(servers: Bank) -> None:
    await sold(servers, "tea")
    skipping = renamed(event={"name": "WasBought"})
    skipping.retired(events=("Bought",))
    async with running(Projectors(skipping, servers.database, servers.nats).run()):
        assert (await until_built(servers, Table(skipping.projections["stand"]).name)).serving
