"""Pages of the log, in both directions."""

from __future__ import annotations

from commander.eventstore.log.event_log import head_position
from commander.eventstore.log.ranges import read_log, read_log_back
from commander.eventstore.records import EventFilter, RecordedEvent
from commander.resolvers.events import Page, check_filter
from commander.resolvers.numbered import number_walk, numbered_page
from commander.resolvers.services import Services


async def events_page(
    services: Services,
    where: EventFilter,
    *,
    first: int | None = None,
    after: int | None = None,
    last: int | None = None,
    before: int | None = None,
) -> Page[RecordedEvent]:
    """The matching events between two positions, oldest first. Raises InvalidRequest."""
    walk = number_walk(services, first, after or None, last, before)
    check_filter(services, where)
    head = await head_position(services.database)

    async def read(low: int, high: int | None, limit: int, backwards: bool) -> list[RecordedEvent]:
        read_range = read_log_back if backwards else read_log
        up_to = head if high is None else min(high - 1, head)
        return await read_range(services.database, low, up_to, limit, where)

    return await numbered_page(read, walk)
