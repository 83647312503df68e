"""The events of many streams at once, one page for each. The rows of a list use it."""

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
    """A page of a stream: the first events after a version."""

    stream: str
    after: int
    first: int


def stream_page(services: Services, stream: str, after: str | None, first: int) -> StreamPage:
    """The page for these arguments. Raises InvalidRequest for a cursor that is not a version."""
    size = page_size(services, first)
    if after is None:
        return StreamPage(stream, 0, size)
    return StreamPage(stream, version_from("events.after", after), size)


async def pages_of(services: Services, asked: Sequence[StreamPage]) -> list[Page[RecordedEvent]]:
    """The pages, in order. Pages with the same `after` and `first` are read in one statement.

    Raises InvalidRequest if together they can have more events than the limit of an answer.
    """
    most = services.limits.max_events_of_rows
    if (events := sum(one.first for one in asked)) > most:
        problem = f"{len(asked)} rows with up to {events} events exceed the limit of {most} events"
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
