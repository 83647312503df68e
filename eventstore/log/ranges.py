"""Reads the log in its order: the events of a range, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from commander.eventstore.batches import may_be_cut
from commander.eventstore.database import Connection, Database, reaching_postgres
from commander.eventstore.log.event_log import PAGE
from commander.eventstore.records import EventFilter, RecordedEvent
from commander.eventstore.sql import statement

_READ_LOG = statement("read_log")
_READ_LOG_BACK = statement("read_log_back")
_READ_EVENTS = statement("read_events")


async def read_log(
    database: Database,
    after: int,
    up_to: int,
    limit: int = PAGE,
    where: EventFilter | None = None,
    *,
    max_bytes: int | None = None,
) -> list[RecordedEvent]:
    """The matching events at positions p with after < p <= up_to, oldest first, at most `limit`.

    max_bytes: the page ends with the event that reaches it. Then `may_be_cut` is true.
    It reads a part of the range first, and the rest only if the page is not full. Without statistics, for
    example soon after a restore, Postgres would sort all that is left of the log for each page.
    """
    events: list[RecordedEvent] = []
    first, span = after, _first_span(limit, where)
    while True:
        last = up_to if span is None else min(up_to, first + span)
        left = None if max_bytes is None else max_bytes - sum(len(event.data.encode()) for event in events)
        binds = _log_binds(first, last, limit - len(events), where)
        events += [RecordedEvent(*row) for row in await database.fetch(_READ_LOG, *binds, left)]
        if last >= up_to or span is None or may_be_cut(events, limit):
            return events
        first, span = last, span * 10


async def read_log_back(
    database: Database, after: int, up_to: int, limit: int, where: EventFilter | None = None
) -> list[RecordedEvent]:
    """The matching events at positions p with after < p <= up_to, newest first, at most `limit`.

    It reads the last part of the range first, for the reason that `read_log` has.
    """
    events: list[RecordedEvent] = []
    last, span = up_to, _first_span(limit, where)
    while True:
        first = after if span is None else max(after, last - span)
        binds = _log_binds(first, last, limit - len(events), where)
        events += [RecordedEvent(*row) for row in await database.fetch(_READ_LOG_BACK, *binds)]
        if first <= after or span is None or len(events) >= limit:
            return events
        last, span = first, span * 10


def _first_span(limit: int, where: EventFilter | None) -> int | None:
    """How many positions to read first. None: all of them, because the filter has an index."""
    if where is None or where == EventFilter():
        return limit
    has_index = where.streams is not None or where.correlation_id or where.command_id
    return None if has_index else 20 * limit


async def read_events(connection: Connection, positions: Sequence[int]) -> list[RecordedEvent]:
    """The events at these positions, oldest first, in the caller's transaction. Raises Unavailable."""
    with reaching_postgres(connection):
        rows = await connection.fetch(_READ_EVENTS, positions)
    return [RecordedEvent(*row) for row in rows]


def _log_binds(after: int, up_to: int, limit: int, where: EventFilter | None) -> tuple[Any, ...]:
    where = where or EventFilter()
    return (
        after,
        up_to,
        *(None if names is None else list(names) for names in (where.types, where.streams, where.aggregates)),
        where.correlation_id,
        where.command_id,
        limit,
    )


async def log_has(connection: Connection, event: RecordedEvent) -> bool:
    """Whether the log has this event at its position. Its data is not compared. Raises Unavailable."""
    with reaching_postgres(connection):
        found = await connection.fetchrow(
            "select command_id, recorded_at from events where position = $1", event.position
        )
    return found is not None and tuple(found) == (event.command_id, event.recorded_at)
