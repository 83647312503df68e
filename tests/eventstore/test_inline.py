"""Handing an inline projection over: under the lock of the log, so that no event falls between two."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from commander.eventstore.database import Connection, Database
from commander.eventstore.log.event_log import append
from commander.eventstore.projections.folding import ensure_tables
from commander.eventstore.projections.inline import InlineProjections, enter_inline, is_behind, leave_inline
from commander.eventstore.projections.serving import drop, table_record
from commander.eventstore.projections.tables import Table
from commander.eventstore.records import Decision, NewEvent
from commander.testing import rows as rows_in_memory
from tests.eventstore.decisions import decision
from tests.eventstore.test_projections import TABLE, Stocked, all_rows, shop

INLINE = replace(TABLE.projection, inline=True)


def stocking(item_id: int, version: int) -> Decision:
    """A decision whose one event stocks an item."""
    data = shop.events["Stocked"].encode(Stocked(item_id, 1)).decode()
    event = NewEvent("Stocked", 1, data)
    return replace_events(decision(f"item-{item_id}", version), event)


def replace_events(made: Decision, event: NewEvent) -> Decision:
    return Decision(made.command, made.digest, made.status, made.version, (event,))


async def until_it_waits_for_a_lock(database: Database, connection: Connection) -> None:
    sql = "select wait_event_type = 'Lock' from pg_stat_activity where pid = $1"
    async with asyncio.timeout(10):
        while not await database.fetchval(sql, connection.get_server_pid()):
            await asyncio.sleep(0.01)


async def test_it_waits_for_who_appends_and_folds_what_they_append(database: Database) -> None:
    await ensure_tables(database, [TABLE])
    appending = await database.connect("test appending")
    handing = await database.connect("test handing over")
    transaction = appending.transaction()
    await transaction.start()
    await append(appending, [stocking(1, 0)], None)
    task = asyncio.create_task(enter_inline(handing, shop, TABLE, 0))
    await until_it_waits_for_a_lock(database, handing)
    await transaction.commit()
    assert await task
    record = await table_record(handing, TABLE)
    assert (record.inline, record.position) == (True, 1)
    assert {row.item_id: row for row in await all_rows(database)} == rows_in_memory(
        shop, "item", [Stocked(1, 1)]
    )

    # And the other way round: who takes it back waits, and finds that all is folded.
    transaction = appending.transaction()
    await transaction.start()
    await append(appending, [stocking(1, 1)], None)
    task_back = asyncio.create_task(leave_inline(handing, TABLE))
    await until_it_waits_for_a_lock(database, handing)
    await transaction.commit()
    await task_back
    assert await is_behind(handing, TABLE)
    assert not (await table_record(handing, TABLE)).inline
    for connection in (appending, handing):
        connection.terminate()


async def test_a_domain_without_inline_projections_has_nothing_to_do(database: Database) -> None:
    assert not InlineProjections(shop)


async def test_a_table_is_dropped_while_others_append(database: Database) -> None:
    """Nobody waits in a circle: locks are taken in one order."""
    await ensure_tables(database, [TABLE])
    await database.fetch("update projections set serving = false")
    appending = await database.connect("test appending")
    transaction = appending.transaction()
    await transaction.start()
    await append(appending, [stocking(1, 0)], None)
    dropping = asyncio.create_task(drop(database, "item", TABLE.name))
    waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
    async with asyncio.timeout(10):
        while not await database.fetchval(waiting):
            await asyncio.sleep(0.01)
    assert await appending.fetchval(f'select count(*) from "{TABLE.name}"') == 0
    await transaction.commit()
    await dropping
    assert await database.fetchval("select to_regclass($1::text) is null", TABLE.name)
    assert Table(INLINE).name == TABLE.name, "inline or not, the rows are the same"
    appending.terminate()
