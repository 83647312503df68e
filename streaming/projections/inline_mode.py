"""A projector's part in inline mode: it hands the table to the appending processors, and watches them."""

from __future__ import annotations

import asyncio
import logging

from commander.domain import Domain, ProjectionFailed, UndecodableEvent
from commander.eventstore.database import Connection
from commander.eventstore.projections.inline import enter_inline, is_behind, leave_inline
from commander.eventstore.projections.serving import TableRecord, table_record
from commander.eventstore.projections.tables import Table
from commander.streaming.handling import HandlingRun

logger = logging.getLogger("commander.projections")

_WATCH_SECONDS = 0.5


async def enter(
    connection: Connection, domain: Domain, table: Table, position: int, run: HandlingRun
) -> TableRecord:
    """At the head: enters inline mode if the table serves. Returns its record.

    If a new event fails, it does not enter: the normal fold finds the event.
    """
    record = await table_record(connection, table)
    if not record.serving:
        return record
    try:
        async with run.together():
            if await enter_inline(connection, domain, table, position):
                logger.info("%s enters inline mode", table.name)
    except (ProjectionFailed, UndecodableEvent):
        return record
    return await table_record(connection, table)


async def watch(
    connection: Connection, domain: Domain, table: Table, record: TableRecord, run: HandlingRun
) -> None:
    """Checks that all processors fold their events, and that the table still serves. Pauses if all is well.

    A processor whose code does not have this projection appends without folding. Its events are folded here,
    or by the next processor that has the projection.
    """
    if not (record.serving and table.projection.inline):
        await leave_inline(connection, table)
    elif not await is_behind(connection, table):
        await asyncio.sleep(_WATCH_SECONDS)
    else:
        try:
            async with run.together():
                await enter_inline(connection, domain, table, record.position)
        except (ProjectionFailed, UndecodableEvent):
            await leave_inline(connection, table)  # the normal fold finds the event
