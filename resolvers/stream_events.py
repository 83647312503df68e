"""The events of many streams at once, each a page: those of the rows of a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from commander.domain.errors import InvalidRequest
from commander.eventstore.log.event_log import pages_of_streams
from commander.eventstore.records import RecordedEvent
from commander.resolvers.cursors import version_from
from commander.resolvers.events import Page, page_size
from commander.resolvers.services import Services


@dataclass(frozen=True)
class StreamPage:
    """Which page of a stream: its first events after a version."""

    stream: str
    after: int
    first: int


def stream_page(services: Services, stream: str, after: str | None, first: int) -> StreamPage:
    """Checks what was asked for. Raises InvalidRequest for a cursor that is no version."""
    size = page_size(services, first)
    if after is None:
        return StreamPage(stream, 0, size)
    return StreamPage(stream, version_from("events.after", after), size)


async def pages_of(services: Services, asked: Sequence[StreamPage]) -> list[Page[RecordedEvent]]:
    """A page for each, in order; those that ask for the same part are read in one statement.

    Raises InvalidRequest where all of them together may have more events than an answer should hold.
    """
    most = services.limits.max_events_of_rows
    if (events := sum(one.first for one in asked)) > most:
        problem = f"{len(asked)} rows may have {events} events here; {most} is the limit"
        raise InvalidRequest("events.first", problem)
    found: dict[StreamPage, list[RecordedEvent]] = {}
    for after, first in dict.fromkeys((one.after, one.first) for one in asked):
        streams = [one.stream for one in asked if (one.after, one.first) == (after, first)]
        pages = await pages_of_streams(services.database, streams, after, first + 1)
        found |= {StreamPage(stream, after, first): events for stream, events in pages.items()}
    return [
        Page(found[one][: one.first], more=len(found[one]) > one.first, earlier=one.after > 0)
        for one in asked
    ]
