"""The events of a projection that may have ended the process of the run before (eventstore/handling.py)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import NoReturn

from commander.domain import ProjectionFailed, UndecodableEvent
from commander.domain.errors import EndedItsProcess
from commander.eventstore.database import Connection
from commander.eventstore.handling import MOST_DEATHS, Left, begin_handling, mark_handling
from commander.eventstore.projections.filling import MOST_UNSTORED
from commander.eventstore.projections.folding import save_failure
from commander.eventstore.projections.inline import is_behind, leave_inline
from commander.eventstore.projections.log_ranges import LogRange, read_range
from commander.eventstore.projections.rows import Unwritable
from commander.eventstore.projections.serving import BUILDING, TableRecord, table_record
from commander.eventstore.projections.tables import Table
from commander.streaming.handling import HandlingRun

logger = logging.getLogger("commander.projections")

_IN_PROGRESS = 10_000
"""How many events a projector folds at once: its process may have died of any of them."""
_RANGE = 500
"""More events than that are folded in ranges of so many first, and one by one after another death."""
_LOOK_SECONDS = 5.0


class SetAside(ProjectionFailed):
    """An event has ended the process that folded it, each time. Its table stays before it."""


def handler_of(table: Table) -> str:
    """The name under which a table is marked."""
    return f"projection {table.name}"


async def begin_table(
    connection: Connection,
    table: Table,
    run: HandlingRun,
    record: TableRecord,
    read_record: Callable[[], Awaitable[TableRecord]],
    fold: Callable[[LogRange], Awaitable[None]],
) -> None:
    """Marks the table. If the run before has died, folds the events that may have been the cause.

    read_record: reads the record after others may have written the table. fold: folds and commits a range.
    Raises SetAside.
    """
    handler = handler_of(table)
    left = (await begin_handling(connection, [handler], run.id)).get(handler)
    if left is None:
        return
    if record.inline and await is_behind(connection, table):
        await leave_inline(connection, table)
        record = await read_record()
    if record.inline:  # the processors fold its events
        await mark_handling(connection, [handler], run.id)
        return
    most = _IN_PROGRESS if record.state != BUILDING else MOST_UNSTORED
    try:
        await _fold_possible_causes(connection, table, left, run, record.position, most, fold)
    except SetAside:
        raise
    except (ProjectionFailed, UndecodableEvent, Unwritable):  # the normal fold finds the event
        await mark_handling(connection, [handler], run.id)


async def stay_stopped(connection: Connection, table: Table, error: SetAside) -> NoReturn:
    """Stops until the table is dropped: the event would end the process again. Raises TableGone then."""
    logger.error("%s; the projection stops before that event", error)
    await save_failure(connection, table, error.position, str(error))
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        await table_record(connection, table)


async def _fold_possible_causes(
    connection: Connection,
    table: Table,
    left: Left,
    run: HandlingRun,
    position: int,
    most: int,
    fold: Callable[[LogRange], Awaitable[None]],
) -> None:
    """Folds the events after this position that may have ended the process: at most so many."""
    handlers, types = [handler_of(table)], frozenset(table.projection.by_event)
    deaths = left.deaths_now(position)
    last = left.cause if deaths > 1 else None
    if deaths == MOST_DEATHS and last is not None:
        if failed := await _set_aside(connection, table, last):
            await mark_handling(connection, handlers, run.id, deaths, last)
            raise failed
        deaths, last = 1, None
    text = "%s: the process that folded it has died; its next events are folded %s"
    few = (await read_range(connection, position, types, _RANGE + 1, last)).at_head
    logger.warning(text, table.name, "one by one" if few or last else "in small ranges")
    size = 1 if few or last else _RANGE
    while most > 0 and (last is None or position < last):
        log_range = await read_range(connection, position, types, size, last)
        if log_range.up_to <= position:
            break
        async with run.alone():
            await mark_handling(connection, handlers, run.id, deaths, log_range.up_to)
            await fold(log_range)
        position, most = log_range.up_to, most - len(log_range.events)
    await mark_handling(connection, handlers, run.id)


async def _set_aside(connection: Connection, table: Table, position: int) -> SetAside | None:
    """Why the projection stops before this event; None if its code does not handle it."""
    events = (await read_range(connection, position - 1, table.projection.by_event, 1, position)).events
    if not events:
        return None
    [event] = events
    ended = EndedItsProcess(MOST_DEATHS, table.projection.by_event[event.type].function)
    return SetAside(table.projection.name, position, event.type, str(ended))
