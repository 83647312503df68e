"""The feed for viewers who do not see every event: a stage between the feed and its subscribers.

    the feed, shared by all ─► what viewers with these rules see, rendered once ─► each of these subscribers

Every event passes in the order of the log, so a cursor stays without gaps for what one may see.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Hashable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Generic, TypeVar

from commander.domain import Rights
from commander.domain.errors import Unavailable
from commander.eventstore.records import EventFilter, RecordedEvent
from commander.resolvers.events import follow
from commander.resolvers.services import Services
from commander.resolvers.visible_events import positions_of, visible_events, wanted_of
from commander.streaming.feed.fan_out import FeedItem, Heartbeat, StandsStill

T = TypeVar("T")

_KEPT_PAGES = 64
_PATIENCE_SECONDS = 5.0
_RETRY_SECONDS = 0.5


class VisibleFeed(Generic[T]):
    """What viewers with equal rules see of the events that match a filter, rendered once for all of them.

    rights: of one of them. heartbeat_seconds: how long a subscriber may get nothing while events pass that it
    does not see.
    """

    def __init__(
        self, services: Services, rights: Rights, where: EventFilter, render: Callable[[FeedItem], T]
    ) -> None:
        self._services = services
        self._rights = rights
        self._where = where
        self._render = render
        self._followers = 0
        self._pages: OrderedDict[Hashable, asyncio.Task[list[T]]] = OrderedDict()

    async def follow(self, after: int | None) -> AsyncGenerator[Sequence[T], None]:
        """As `Feed.follow`. While rows that a rule needs are late, it says that events stand still."""
        self._followers += 1
        try:
            async with aclosing(self._follow(after)) as pages:
                async for page in pages:
                    yield page
        finally:
            self._followers -= 1
            if not self._followers:
                for task in self._pages.values():
                    task.cancel()
                self._pages.clear()

    async def _follow(self, after: int | None) -> AsyncGenerator[Sequence[T], None]:
        loop, where = asyncio.get_running_loop(), self._where
        sent_at, quiet = loop.time(), self._services.limits.heartbeat_seconds
        async with aclosing(follow(self._services, ("raw", where), after, where, _as_it_is)) as pages:
            async for page in pages:
                last = page[-1]
                if not isinstance(last, RecordedEvent):
                    shown = [self._render(item) for item in page]
                else:
                    task, began = self._shared(page), datetime.now(UTC)
                    while not (await asyncio.wait((task,), timeout=_PATIENCE_SECONDS))[0]:
                        reason = "the rules of these events need rows that are late"
                        yield [self._render(StandsStill(_before(page), began, reason))]
                    shown = task.result()
                    if not shown and loop.time() >= sent_at + quiet:
                        shown = [self._render(Heartbeat(last.position))]
                if shown:
                    sent_at = loop.time()
                    yield shown

    def _shared(self, page: Sequence[FeedItem]) -> asyncio.Task[list[T]]:
        """The page as it is shown. Subscribers that get the same page share it."""
        key = (page[0].position, page[-1].position, len(page))
        task = self._pages.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            events = [item for item in page if isinstance(item, RecordedEvent)]
            task = self._pages[key] = asyncio.create_task(self._shown(events))
            if len(self._pages) > _KEPT_PAGES:
                self._pages.popitem(last=False)
        return task

    async def _shown(self, events: list[RecordedEvent]) -> list[T]:
        while True:
            try:
                await self._until_decidable(events)
                seen = await visible_events(self._services, self._rights, events, 0)
                return [self._render(event) for event in seen]
            except Unavailable:
                await asyncio.sleep(_RETRY_SECONDS)

    async def _until_decidable(self, events: list[RecordedEvent]) -> None:
        """Returns when the projections whose rows decide show these events."""
        wanted = positions_of(wanted_of(self._services, self._rights, events))
        while wanted and (late := await self._services.progress.reach(wanted, _PATIENCE_SECONDS)):
            if any(one.stopped for one in late):  # then it does not wait
                await asyncio.sleep(_RETRY_SECONDS)


def _as_it_is(item: FeedItem) -> FeedItem:
    return item


def _before(page: Sequence[FeedItem]) -> int:
    return max(0, page[0].position - 1)
