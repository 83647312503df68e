"""The events of many streams at once, one page for each. The rows of a list use it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from commander.domain.errors import InvalidRequest
from commander.eventstore.log.event_log import last_pages_of_streams, pages_of_streams
from commander.eventstore.records import RecordedEvent
from commander.resolvers.cursors import LARGEST_VERSION, version_from
from commander.resolvers.events import Page
from commander.resolvers.numbered import number_walk
from commander.resolvers.services import Services


@dataclass(frozen=True)
class StreamPage:
    """A page of a stream: events behind the version `after` and ahead of `before`.

    forward: the first ones; otherwise the last ones.
    """

    stream: str
    after: int
    before: int | None
    size: int
    forward: bool = True


def stream_page(
    services: Services,
    stream: str,
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
) -> StreamPage:
    """The page for these arguments. Raises InvalidRequest for a cursor that is not a version."""
    begin = 0 if after is None else version_from("events.after", after)
    end = None if before is None else version_from("events.before", before)
    walk = number_walk(services, first, begin, last, end)
    return StreamPage(stream, begin, end, walk.size, walk.forward)


async def pages_of(services: Services, asked: Sequence[StreamPage]) -> list[Page[RecordedEvent]]:
    """The pages, in order. Pages that differ only in the stream are read in one statement.

    Raises InvalidRequest if together they can have more events than the limit of an answer.
    """
    most = services.limits.max_events_of_rows
    if (events := sum(one.size for one in asked)) > most:
        problem = f"{len(asked)} rows with up to {events} events exceed the limit of {most} events"
        raise InvalidRequest("events.first", problem)
    found: dict[StreamPage, list[RecordedEvent]] = {}
    for alike in dict.fromkeys(replace(one, stream="") for one in asked):
        streams = [one.stream for one in asked if replace(one, stream="") == alike]
        pages = await _read(services, streams, alike)
        found |= {replace(alike, stream=stream): events for stream, events in pages.items()}
    return [_page(services, one, found[one]) for one in asked]


async def _read(
    services: Services, streams: Sequence[str], page: StreamPage
) -> dict[str, list[RecordedEvent]]:
    """One event more than each page has, in the direction in which it is read."""
    if page.forward:
        return await pages_of_streams(services.database, streams, page.after, page.size + 1)
    before = LARGEST_VERSION if page.before is None else page.before
    return await last_pages_of_streams(services.database, streams, page.after, before, page.size + 1)


def _page(services: Services, page: StreamPage, found: Sequence[RecordedEvent]) -> Page[RecordedEvent]:
    """Versions are dense, so the cursors say whether there are earlier events."""
    before = page.before
    if page.forward:
        within = [event for event in found if before is None or event.version < before][: page.size]
        return Page(within, more=len(found) > len(within), earlier=page.after > 0)
    kept = list(found[: page.size])[::-1]

    async def later() -> bool:
        assert before is not None, "see below"
        last = max(before - 1, 0)
        return bool((await pages_of_streams(services.database, [page.stream], last, 1))[page.stream])

    beyond = len(found) > page.size or page.after > 0
    return Page(kept, more=False if before is None else later, earlier=beyond)
