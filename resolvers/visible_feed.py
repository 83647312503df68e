"""The feed for viewers who do not see every event: a stage between the feed and its subscribers.

    the feed, shared by all ─► what viewers with these rules see, rendered once ─► each of these subscribers

Every event passes in the order of the log, so a cursor stays without gaps for what one may see.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Coroutine, Hashable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from commander.domain import Rights
from commander.domain.errors import Unavailable
from commander.eventstore.records import EventFilter, RecordedEvent
from commander.resolvers.events import follow
from commander.resolvers.services import Services
from commander.resolvers.visible_events import positions_of, seen_and_wanted, visible_events
from commander.streaming.feed.fan_out import FeedItem, Heartbeat, StandsStill

T = TypeVar("T")

_KEPT_PAGES = 64
_PATIENCE_SECONDS = 5.0
_RETRY_SECONDS = 0.5
_FRESH_SECONDS = 0.5
"""How long what rows have decided may be shown to others. They may see less once a row has changed."""


class _ByRows(Generic[T]):
    """A page that rows decide about, while it is decided and a moment longer."""

    def __init__(self, shown: Coroutine[Any, Any, list[T]]) -> None:
        self.task = asyncio.create_task(shown)
        self._decided_at = math.inf
        self.task.add_done_callback(self._note)

    @property
    def is_fresh(self) -> bool:
        failed = self.task.done() and (self.task.cancelled() or self.task.exception() is not None)
        return not failed and asyncio.get_running_loop().time() <= self._decided_at + _FRESH_SECONDS

    def _note(self, _: asyncio.Task[list[T]]) -> None:
        self._decided_at = asyncio.get_running_loop().time()


class VisibleFeed(Generic[T]):
    """What viewers with equal rules see of the events that match a filter, decided once for all of them.

    rights: of one of them. render: called for each page that has the event, so it keeps what it renders.
    A subscriber that gets nothing while events pass that it does not see gets heartbeats.
    """

    def __init__(
        self, services: Services, rights: Rights, where: EventFilter, render: Callable[[FeedItem], T]
    ) -> None:
        self._services = services
        self._rights = rights
        self._where = where
        self._render = render
        self._followers = 0
        self._pages: OrderedDict[Hashable, list[T] | _ByRows[T]] = OrderedDict()

    async def follow(self, after: int | None) -> AsyncGenerator[Sequence[T], None]:
        """As `Feed.follow`. While rows that a rule needs are late, it says that events stand still."""
        loop, where = asyncio.get_running_loop(), self._where
        sent_at, quiet = loop.time(), self._services.limits.heartbeat_seconds
        self._followers += 1
        try:
            async with aclosing(follow(self._services, ("raw", where), after, where, _as_it_is)) as pages:
                async for page in pages:
                    last = page[-1]
                    if not isinstance(last, RecordedEvent):
                        yield [self._render(item) for item in page]
                        continue
                    shown = self._shared(page)
                    if isinstance(shown, asyncio.Task):
                        began = datetime.now(UTC)
                        while not (await asyncio.wait((shown,), timeout=_PATIENCE_SECONDS))[0]:
                            reason = "the rules of these events need rows that are late"
                            yield [self._render(StandsStill(_before(page), began, reason))]
                        shown = shown.result()
                    now = loop.time()
                    if shown:
                        sent_at = now
                        yield shown
                    elif now >= sent_at + quiet:
                        sent_at = now
                        yield [self._render(Heartbeat(last.position))]
        finally:
            self._followers -= 1
            if not self._followers:
                self._forget()

    def _shared(self, page: Sequence[FeedItem]) -> list[T] | asyncio.Task[list[T]]:
        """The page as it is shown. Subscribers that get the same page share it."""
        key = (page[0].position, page[-1].position, len(page))
        found = self._pages.get(key)
        if isinstance(found, _ByRows):
            if found.is_fresh:
                return found.task
        elif found is not None:
            return found
        events = [item for item in page if isinstance(item, RecordedEvent)]
        seen, wanted = seen_and_wanted(self._services.domain, self._rights, events)
        if wanted:
            by_rows = self._pages[key] = _ByRows(self._shown(events))
            made: list[T] | asyncio.Task[list[T]] = by_rows.task
        else:
            made = self._pages[key] = [self._render(one) for one in events if one.position in seen]
        if len(self._pages) > _KEPT_PAGES:
            self._pages.popitem(last=False)
        return made

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
        wanted = positions_of(seen_and_wanted(self._services.domain, self._rights, events)[1])
        while wanted and (late := await self._services.progress.reach(wanted, _PATIENCE_SECONDS)):
            if any(one.stopped for one in late):  # then it does not wait
                await asyncio.sleep(_RETRY_SECONDS)

    def _forget(self) -> None:
        for page in self._pages.values():
            if isinstance(page, _ByRows):
                page.task.cancel()
        self._pages.clear()


def _as_it_is(item: FeedItem) -> FeedItem:
    return item


def _before(page: Sequence[FeedItem]) -> int:
    return max(0, page[0].position - 1)
