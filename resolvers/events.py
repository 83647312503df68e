"""Single events, and following the log. log_pages.py has its pages."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from commander.domain.checking import unusable_scalar
from commander.domain.errors import InvalidRequest
from commander.domain.lookups import REACTION_AGGREGATE
from commander.eventstore.log.ranges import read_events, read_log
from commander.eventstore.records import EventFilter, RecordedEvent
from commander.resolvers.services import Services
from commander.streaming.feed.feed import FeedItem

T = TypeVar("T")


Answer = bool | Callable[[], Awaitable[bool]]
"""A known answer, or a function that finds it when it is needed."""


@dataclass(frozen=True)
class Page(Generic[T]):
    """Part of a list, in order. more: whether items follow it. earlier: whether items come before it."""

    items: list[T]
    more: Answer
    earlier: Answer = False


def page_size(services: Services, asked: int | None, argument: str = "first") -> int:
    """The number of items of a page. Raises InvalidRequest above the limit."""
    limits = services.limits
    size = min(limits.default_page, limits.max_page) if asked is None else asked
    if not 0 <= size <= limits.max_page:
        raise InvalidRequest(argument, f"must be from 0 to {limits.max_page}, got {size}")
    return size


async def event_at(services: Services, position: int) -> RecordedEvent | None:
    """The event at this position. None beyond the head."""
    events = await read_log(services.database, position - 1, position, 1)
    return events[0] if events else None


async def events_at(services: Services, positions: Sequence[int]) -> dict[int, RecordedEvent]:
    """The events at these positions. One beyond the head is missing."""
    async with services.database.connection() as connection:
        return {event.position: event for event in await read_events(connection, positions)}


def follow(
    services: Services,
    key: Hashable,
    after: int | None,
    where: EventFilter,
    render: Callable[[FeedItem], T],
) -> AsyncGenerator[Sequence[T], None]:
    """The matching events after a position, then live events, rendered; see commander.streaming.feed.feed.

    Raises InvalidRequest for a filter that no event can match.
    """
    check_filter(services, where)
    return services.feed.follow(key, after, where, render)


def check_filter(services: Services, where: EventFilter) -> None:
    """Raises InvalidRequest for a name that no event can match: unknown, or impossible to store."""
    for stream in where.streams or ():
        must_be_storable("filter.streams", stream)
    for type_ in where.types or ():
        if services.domain.event_type(type_) is None:
            raise InvalidRequest("filter.types", f"the domain has no event {type_!r}")
    known = {*services.domain.aggregates, REACTION_AGGREGATE}
    for aggregate in where.aggregates or ():
        if aggregate not in known and services.domain.aggregate_type(aggregate) is None:
            raise InvalidRequest(
                "filter.aggregates",
                f"the domain has no aggregate {aggregate!r}; it has {', '.join(sorted(known))}",
            )


def must_be_storable(argument: str, text: str) -> None:
    """Raises InvalidRequest for text that Postgres cannot store, and so cannot compare either."""
    if problem := unusable_scalar(text):
        raise InvalidRequest(argument, problem)
