"""Live lists whose filter follows a link: a change of the linked row changes the list."""

# No `from __future__ import annotations`: the classes of a domain are local, and text could not find them.

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import pytest

from commander import Domain, Ref
from commander.domain.filters import AnyOf, Condition, Filter, Linked, Operator
from commander.eventstore.projections.folding import ensure_tables
from commander.eventstore.projections.serving import drop, table_records
from commander.eventstore.projections.tables import Table
from commander.streaming.live.changes import Kind, LiveItem
from commander.streaming.live.live import Live
from commander.streaming.projections.progress import ProjectionProgress
from commander.streaming.projections.projecting import Projector
from commander.streaming.projections.projectors import Projectors
from commander.streaming.projections.serving import ServingTables
from tests.streaming.conftest import Bank, running

SHED = UUID(int=1)


def shed_domain(finish: str) -> Domain:
    """Items in boxes that have a colour. finish: of the paint, for this code of the boxes."""
    shed = Domain("shed")

    @shed.command
    @dataclass(frozen=True)
    class Put:
        shed_id: UUID
        item_id: int
        box_id: int

    @shed.command
    @dataclass(frozen=True)
    class Paint:
        shed_id: UUID
        box_id: int
        colour: str

    @shed.event
    @dataclass(frozen=True)
    class WasPut:
        shed_id: UUID
        item_id: int
        box_id: int

    @shed.event
    @dataclass(frozen=True)
    class Painted:
        shed_id: UUID
        box_id: int
        colour: str

    @shed.aggregate(key="shed_id")
    @dataclass(frozen=True)
    class Shed:
        def put(self, command: Put) -> WasPut:
            return WasPut(command.shed_id, command.item_id, command.box_id)

        def paint(self, command: Paint) -> Painted:
            return Painted(command.shed_id, command.box_id, command.colour)

        def was_put(self, event: WasPut) -> "Shed":
            return self

        def painted(self, event: Painted) -> "Shed":
            return self

    @shed.projection("item", key="item_id", indexes=("box_id",))
    @dataclass(frozen=True)
    class Item:
        item_id: int
        box_id: Annotated[int, Ref("box")]

        @classmethod
        def was_put(cls, event: WasPut, row: "Item | None") -> "Item":
            return cls(event.item_id, event.box_id)

    @shed.projection("box", key="box_id", filterable=("colour",))
    @dataclass(frozen=True)
    class Box:
        box_id: int
        colour: str

        @classmethod
        def painted(cls, event: Painted, row: "Box | None") -> "Box":
            return cls(event.box_id, event.colour + finish)

    return shed


SHED_DOMAIN, MATT = shed_domain(""), shed_domain(" matt")
ITEM = {field.name: field for field in SHED_DOMAIN.projections["item"].fields}
BOX = {field.name: field for field in SHED_DOMAIN.projections["box"].fields}


def in_box_of(colour: str) -> Filter:
    is_it = Condition(BOX["colour"], Operator.STARTS_WITH, colour)
    return Linked(ITEM["box_id"], "box", BOX["box_id"], is_it)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commander.streaming.live.live._LINKED_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr("commander.streaming.live.watching._REREAD_SECONDS", 0.02)


@asynccontextmanager
async def shed_running(servers: Bank) -> AsyncIterator[ServingTables]:
    """A processor, the projections kept up, and the tables that serve."""
    await ensure_tables(servers.database, map(Table, SHED_DOMAIN.projections.values()))
    tables = ServingTables(servers.database, servers.nats, SHED_DOMAIN.projections)
    await tables.refresh()
    async with (
        running(servers.processor(SHED_DOMAIN).run()),
        running(tables.run()),
        running(Projectors(SHED_DOMAIN, servers.database, servers.nats).run()),
    ):
        yield tables


async def live_of(servers: Bank, tables: Mapping[str, Table]) -> Live:
    progress = ProjectionProgress(servers.nats, servers.database, tables)
    await progress.start()
    return Live(SHED_DOMAIN, servers.database, progress, tables, heartbeat_seconds=0.1)


async def acted(servers: Bank, kind: str, *args: Any) -> int:
    """Applies a command; its position."""
    command = SHED_DOMAIN.commands[kind].cls(SHED, *args)
    ended = await servers.outcome(await servers.submit(command, SHED_DOMAIN))
    assert ended.status == "APPLIED"
    return ended.position


async def until(items: AsyncGenerator[LiveItem, None], position: int) -> list[tuple[Kind, int, int | None]]:
    """What has changed when the list shows this position."""
    changes: list[tuple[Kind, int, int | None]] = []
    async with asyncio.timeout(30):
        async for item in items:
            changes += [(kind, key, row and row.box_id) for kind, key, row in item.changes]
            if item.cursor.position >= position:
                break
    return changes


async def test_a_list_changes_with_the_rows_that_its_links_lead_to(servers: Bank) -> None:
    async with shed_running(servers) as tables:
        live = await live_of(servers, tables)
        await acted(servers, "Put", 1, 10)
        position = await acted(servers, "Put", 2, 20)
        async with aclosing(live.follow("item", in_box_of("red"))) as items:
            assert await until(items, position) == []
            for kind, args, told in (
                ("Paint", (10, "red"), [(Kind.ENTERED, 1, 10)]),
                ("Paint", (20, "blue"), []),
                ("Put", (2, 10), [(Kind.ENTERED, 2, 10)]),
                ("Paint", (20, "red"), []),
                ("Put", (1, 20), [(Kind.CHANGED, 1, 20)]),
                ("Paint", (10, "green"), [(Kind.LEFT, 2, None)]),
                ("Put", (1, 30), [(Kind.LEFT, 1, None)]),
            ):
                assert await until(items, await acted(servers, kind, *args)) == told, (kind, args)
        assert live.watched == 0


async def test_a_resumed_list_is_sent_whole(servers: Bank) -> None:
    async with shed_running(servers) as tables:
        live = await live_of(servers, tables)
        await acted(servers, "Put", 1, 10)
        await acted(servers, "Put", 2, 20)
        position = await acted(servers, "Paint", 10, "red")
        where = AnyOf((in_box_of("red"), in_box_of("pink")))
        async with asyncio.timeout(30), aclosing(live.follow("item", where)) as items:
            while (item := await anext(items)).cursor.position < position:
                pass
        position = await acted(servers, "Paint", 20, "pink")
        assert not await live._progress.reach({"item": position, "box": position}, 30)
        async with asyncio.timeout(30), aclosing(live.follow("item", where, None, item.cursor)) as items:
            item = await anext(items)
        assert (item.snapshot, item.cursor.position) == (True, position)
        assert {change.key for change in item.changes} == {1, 2}


async def test_a_position_is_told_when_both_tables_show_it(servers: Bank) -> None:
    await ensure_tables(servers.database, map(Table, SHED_DOMAIN.projections.values()))
    tables = {name: Table(type_) for name, type_ in SHED_DOMAIN.projections.items()}
    live = await live_of(servers, tables)
    of_items, of_boxes = (
        Projector(SHED_DOMAIN, servers.database, servers.nats, tables[name]) for name in ("item", "box")
    )
    async with running(servers.processor(SHED_DOMAIN).run()), running(of_items.run()):
        await acted(servers, "Paint", 10, "red")
        position = await acted(servers, "Put", 1, 10)
        async with aclosing(live.follow("item", in_box_of("red"))) as items:
            assert not await live._progress.reach({"item": position}, 30)
            async with asyncio.timeout(30):
                assert (await anext(items)).cursor.position == 0
            async with running(of_boxes.run()):
                assert await until(items, position) == [(Kind.ENTERED, 1, 10)]


async def test_when_another_table_of_the_linked_rows_serves_all_is_told_anew(servers: Bank) -> None:
    async with shed_running(servers) as tables:
        live = await live_of(servers, tables)
        await acted(servers, "Put", 1, 10)
        position = await acted(servers, "Paint", 10, "red")
        async with asyncio.timeout(60), aclosing(live.follow("item", in_box_of("red matt"))) as items:
            assert await until(items, position) == []
            async with running(Projectors(MATT, servers.database, servers.nats).run()):
                while not (item := await anext(items)).snapshot:
                    pass
                assert [change.key for change in item.changes] == [1]
                old = Table(SHED_DOMAIN.projections["box"]).name
                assert old in {r.table_name for r in await table_records(servers.database) if not r.serving}
                await drop(servers.database, "box", old)
                position = await acted(servers, "Paint", 10, "blue")
                assert await until(items, position) == [(Kind.LEFT, 1, None)]
