"""The feed: past events from a cursor, then live events, without a gap, for many subscribers in one process.

While it has subscribers, a process keeps the newest events in memory, in one shared tail. It receives
them as signals when they are committed. If a signal is lost, the EVENTS stream brings them, or Postgres
if no relay works. Subscribers with the same query and form share a fan-out group, which renders each
event once. A subscriber is only a cursor. It reads from its group while the cursor is inside, and
otherwise from the tail or from Postgres. So a slow subscriber takes no memory and delays no other: it
leaves the group, catches up at its own pace, and returns.

    catching up ◄─► reading the group ─► waiting ─► reading the group …
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable, Hashable, Sequence
from contextlib import aclosing
from datetime import datetime
from itertools import islice
from typing import TypeVar

from commander.domain.errors import InvalidRequest
from commander.eventstore.batches import BATCH_BYTES, may_be_cut
from commander.eventstore.database import Database
from commander.eventstore.log.event_log import head_position
from commander.eventstore.log.ranges import read_log
from commander.eventstore.records import EventFilter, RecordedEvent
from commander.streaming.feed.catch_up import CatchUp, believed_events
from commander.streaming.feed.fan_out import CaughtUp, FeedItem, Heartbeat, StandsStill
from commander.streaming.feed.groups import Groups
from commander.streaming.feed.keeping_up import KeepingUp
from commander.streaming.nats.chunks import InMessage
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.names import StoresDiffer
from commander.streaming.nats.ordered_consumer import OrderedConsumer, StreamReplaced
from commander.streaming.nats.signals import listen_to_log
from commander.streaming.running import keep_running
from commander.streaming.standstill import Standstill
from commander.streaming.tracing import SpanKind, mark_events, now_ns

__all__ = ["CaughtUp", "Feed", "FeedItem", "Heartbeat", "StandsStill"]

logger = logging.getLogger("commander.feed")
T = TypeVar("T")

_PAGE = 500
_IDLE_SECONDS = 10
"""How long the mirror is followed after the last subscriber has left."""
_MAX_TAIL_BYTES = 64 * 1024 * 1024


class Feed:
    """The shared tail and its groups.

    tail_size: the maximum of events in the tail. standstill: finds out whether events stand still; None: they
    never seem to.
    """

    def __init__(
        self,
        database: Database,
        nats: Nats,
        *,
        tail_size: int = 10_000,
        heartbeat_seconds: float = 15,
        standstill: Standstill | None = None,
    ) -> None:
        self._database = database
        self._nats = nats
        self._tail_size = tail_size
        self._heartbeat_seconds = heartbeat_seconds
        self._history = CatchUp(database)
        self._tail: deque[RecordedEvent] = deque()  # without gaps: positions _head - len + 1 to _head
        self._head = -1  # -1 until the log was read
        self._groups = Groups()
        self._wanted = asyncio.Event()  # there is a subscriber
        self._set_back: StoresDiffer | None = None
        self._tail_bytes = 0
        self._has_missed = False  # a signal came ahead of the tail
        self._keeping_up = KeepingUp(database)
        self._standstill = standstill
        if standstill is not None:
            standstill.on_change(self._groups.wake)

    @property
    def live(self) -> bool:
        """Whether the tail has started."""
        return self._head >= 0

    @property
    def state(self) -> str:
        """'ok', or why subscribers do not get what the log has."""
        if not self.live:
            return "not live yet"
        item = self._quiet_item(self._head)
        if isinstance(item, Heartbeat):
            return "ok"
        return f"stands still since {item.since:%Y-%m-%d %H:%M:%S} UTC: {item.reason}"

    @property
    def position(self) -> int:
        """The end of the tail; 0 before it has started."""
        return max(0, self._head)

    def followed_position(self) -> int | None:
        """The end of the tail; None while nobody follows it."""
        return self._head if self._groups and self._head >= 0 else None

    @property
    def groups(self) -> int:
        """How many fan-out groups there are."""
        return len(self._groups)

    @property
    def subscribers(self) -> int:
        """How many subscribers there are."""
        return self._groups.readers

    async def run(self) -> None:
        """Fills the tail until cancelled. Raises StoresDiffer."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._beat())
            await keep_running(self._follow, logger)

    async def follow(
        self, key: Hashable, after: int | None, where: EventFilter, render: Callable[[FeedItem], T]
    ) -> AsyncGenerator[Sequence[T], None]:
        """The matching events after the cursor, rendered, each once, in order, in lists.

        after: the cursor; None begins with the next event. key: subscribers with an equal key share a group;
        their `where` and `render` must be equal too. Raises InvalidRequest for a cursor beyond the log,
        Unavailable if Postgres is needed and cannot be reached, and StoresDiffer if the log lacks an event
        that the tail has.
        """
        cursor, began_at = await self._begin(after)
        if not self._groups:
            self._keeping_up.begin()
        group = self._groups.join(key, where, render, self._head)
        self._wanted.set()
        caught_up = False
        since: datetime | None = None  # the subscriber knows that events stand still since then
        try:
            while True:
                if self._head < began_at and cursor < began_at:  # the tail is behind the head at the start
                    up_to = began_at
                elif cursor < group.floor:
                    up_to = self._head
                else:
                    page, cursor = group.after(cursor, _PAGE)
                    if page:
                        yield page
                        continue
                    cursor = max(cursor, self._head)
                    if not caught_up:
                        caught_up = True
                        yield [render(CaughtUp(cursor))]
                        continue
                    item = self._quiet_item(cursor)
                    if since != (since := getattr(item, "since", None)):
                        yield [render(item)]
                        continue
                    beats = group.beats
                    await group.changes()
                    if group.beats != beats and cursor == self._head and group.last_beat is not None:
                        yield [group.last_beat]
                    continue
                async with aclosing(self._pages(cursor, up_to, where)) as pages:
                    async for events, behind in pages:
                        cursor = behind
                        if events:
                            yield [render(event) for event in events]
        finally:
            self._groups.leave(key, group)

    async def _begin(self, after: int | None) -> tuple[int, int]:
        """The first cursor, and the head of the log. Events up to the head count as past, mirrored or not."""
        seen = self._head
        head = await head_position(self._database)
        if head < seen:
            self._set_back = StoresDiffer(
                f"the log ends at {head}, but this process has delivered event {seen}: Postgres was set "
                "back to an older state; run commander restore, with --new-epoch if it finds no difference"
            )
            raise self._set_back
        if self._head < 0:
            self._head = head
        if after is None:
            return head, head
        if after > head:
            raise InvalidRequest("after", f"the log ends at position {head}; {after} is beyond it")
        return after, head

    def _pages(
        self, cursor: int, up_to: int, where: EventFilter
    ) -> AsyncGenerator[tuple[list[RecordedEvent], int], None]:
        """The matching events after the cursor up to a position, in pages, each with the cursor after it."""
        if up_to == self._head and cursor >= self._head - len(self._tail):
            return self._pages_of_tail(cursor, up_to, where)
        return self._history.pages(cursor, up_to, where)

    async def _pages_of_tail(
        self, cursor: int, up_to: int, where: EventFilter
    ) -> AsyncGenerator[tuple[list[RecordedEvent], int], None]:
        while cursor < up_to and cursor >= self._head - len(self._tail):
            first = len(self._tail) - (self._head - cursor)
            page = list(islice(self._tail, first, first + min(_PAGE, up_to - cursor)))
            cursor = page[-1].position
            yield [event for event in page if where.matches(event)], cursor

    async def _follow(self) -> None:
        """Follows the log while there are subscribers, and a little longer."""
        while True:
            if self._head < 0:
                head = await head_position(self._database)
                self._head = head if self._head < 0 else self._head  # a subscriber may have been first
            if not self._groups:
                self._wanted.clear()
                await self._wanted.wait()
                head = await head_position(self._database)
                if head > self._head:  # the events since then are in Postgres
                    self._restart(head)
                    self._head = head
            try:
                await self._follow_while_subscribed()
            except StreamReplaced:
                stream = self._nats.names.events
                logger.warning("the stream %s was replaced; continuing after position %d", stream, self._head)

    async def _follow_while_subscribed(self) -> None:
        loop = asyncio.get_running_loop()
        active_at = loop.time()
        stop_listening = await listen_to_log(self._nats, self._append_signalled)
        try:
            async with OrderedConsumer(self._nats, self._nats.names.events, [], self._head) as mirror:
                while loop.time() < active_at + _IDLE_SECONDS:
                    await self._append_mirrored(await mirror.next_batch(_PAGE, timeout_seconds=1))
                    if self._set_back is not None:
                        raise self._set_back
                    if await self._keeping_up.lacks_events(self._head):
                        await self._read_missing()
                    if self._groups:
                        active_at = loop.time()
        finally:
            await stop_listening()

    def _append_signalled(self, events: list[RecordedEvent]) -> None:
        """Appends events from a signal if they follow the head. If not, the mirror brings what is missing."""
        new = [event for event in events if event.position > self._head]
        if new and new[0].position == self._head + 1:
            self._append(new)
        elif new:
            self._has_missed = True

    async def _read_missing(self) -> None:
        """Appends what neither a signal nor the mirror has brought, signals that come meanwhile included."""
        while True:
            self._has_missed, after = False, self._head
            events = await read_log(self._database, after, after + _PAGE, _PAGE, max_bytes=BATCH_BYTES)
            self._append([event for event in events if event.position > self._head])
            if not may_be_cut(events, _PAGE) and not self._has_missed:
                return

    async def _append_mirrored(self, messages: list[InMessage]) -> None:
        if not (unseen := [message for message in messages if message.sequence > self._head]):
            return
        events = await believed_events(self._database, self._nats.names, unseen)
        new = [event for event in events if event.position > self._head]
        if new and new[0].position != self._head + 1:
            self._restart(new[0].position - 1)
        self._append(new)

    def _append(self, events: list[RecordedEvent]) -> None:
        """Appends events with adjacent positions, after the head or after a gap."""
        began = now_ns()
        for event in events:
            self._tail.append(event)
            self._tail_bytes += len(event.data)
            self._head = event.position
            while len(self._tail) > self._tail_size or self._tail_bytes > _MAX_TAIL_BYTES:
                self._tail_bytes -= len(self._tail.popleft().data)
        self._groups.add(events)
        mark_events("feed", events, began, SpanKind.CONSUMER)

    def _restart(self, floor: int) -> None:
        """Restarts the tail after a gap. Subscribers before it read the missing events from Postgres."""
        self._tail.clear()
        self._tail_bytes = 0
        self._groups.restart(floor)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_seconds)
            self._groups.beat(self._quiet_item(self._head))

    def _quiet_item(self, position: int) -> Heartbeat | StandsStill:
        """What a subscriber without new events is sent now and then."""
        standing = None if self._standstill is None else self._standstill.of_events()
        return Heartbeat(position) if standing is None else StandsStill(position, *standing[:2])
