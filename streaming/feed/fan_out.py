"""Fan-out groups: subscribers with the same query share the matching events, each rendered once."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Hashable, Sequence
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

from commander.eventstore.records import EventFilter, RecordedEvent


class CaughtUp(NamedTuple):
    """Every event that the log had when the subscription began is delivered. What follows is live."""

    position: int


class Heartbeat(NamedTuple):
    """No matching event has arrived for a while. A client may resume from `position`."""

    position: int


class StandsStill(NamedTuple):
    """Events after `position` do not arrive, or it is not known whether there are any.

    since: until then, all events were delivered (UTC). It comes once, and then in place of heartbeats. When
    events arrive again, an event or a heartbeat follows.
    """

    position: int
    since: datetime
    reason: str


FeedItem = RecordedEvent | CaughtUp | Heartbeat | StandsStill
T = TypeVar("T")

_OVERHEAD = 400
"""The estimated bytes of a rendered event in addition to its data."""


class FanOutGroup(Generic[T]):
    """The rendered matching events after `floor`, and the subscribers that wait for more.

    floor: a subscriber with a lower cursor must read and render earlier events itself.
    """

    def __init__(self, where: EventFilter, render: Callable[[FeedItem], T], floor: int) -> None:
        self.where = where
        self.render = render
        self.floor = floor
        self.readers = 0
        self.beats = 0
        self.last_beat: T | None = None
        self.weight = 0  # about how many bytes are held
        self._positions: list[int] = []
        self._rendered: list[T] = []
        self._weights: list[int] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._quiet = True
        self._page: tuple[tuple[int, int, int], list[T]] | None = None

    def __len__(self) -> int:
        return len(self._rendered)

    def add(self, event: RecordedEvent) -> bool:
        """Renders the newest event if it matches. Returns whether it does."""
        if not self.where.matches(event):
            return False
        self._positions.append(event.position)
        self._rendered.append(self.render(event))
        self._weights.append(len(event.data) + _OVERHEAD)
        self.weight += self._weights[-1]
        return True

    def after(self, cursor: int, limit: int) -> tuple[Sequence[T], int]:
        """At most `limit` rendered events after the cursor, and the position of the last one.

        cursor: at least the floor. Subscribers with the same cursor get the same list object.
        """
        key = (cursor, limit, self._positions[-1] if self._positions else 0)
        if self._page is not None and self._page[0] == key:
            page = self._page[1]
        else:
            begin = bisect_right(self._positions, cursor)
            page = self._rendered[begin : begin + limit]
            self._page = key, page
        if not page:
            return page, cursor
        begin = bisect_right(self._positions, cursor)
        return page, self._positions[begin + len(page) - 1]

    def evict(self, keep: int) -> None:
        """Evicts all but the newest `keep` events. The floor rises."""
        drop = len(self._positions) - keep
        if drop > 0:
            self.floor = self._positions[drop - 1]
            self.weight -= sum(self._weights[:drop])
            for held in (self._positions, self._rendered, self._weights):
                del held[:drop]

    def restart(self, floor: int) -> None:
        """Evicts everything and sets the floor, because the tail has a gap."""
        self.evict(0)
        self.floor = floor

    def beat(self, item: Heartbeat | StandsStill) -> None:
        """Sends the item to the waiting subscribers if no event has arrived since the last call."""
        if self._quiet and self._waiting:
            self.beats += 1
            self.last_beat = self.render(item)
            self._release()
        self._quiet = True

    def wake(self) -> None:
        """Wakes the waiting subscribers: there are new events."""
        self._quiet = False
        self._release()

    async def changes(self) -> None:
        """Returns at the next `wake` or `beat`."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter

    def _release(self) -> None:
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():  # the subscriber may have been cancelled
                waiter.set_result(None)


def addresses(where: EventFilter) -> list[Hashable]:
    """The index entries of a group. An event is matched only against groups under its own entries."""
    if where.streams is not None:
        return [("stream", stream) for stream in where.streams]
    if where.command_id is not None:
        return [("command", where.command_id)]
    if where.correlation_id is not None:
        return [("correlation", where.correlation_id)]
    return ["all"]


def addressed(event: RecordedEvent) -> tuple[Hashable, ...]:
    """The entries under which the groups are that may want an event."""
    return (
        "all",
        ("stream", event.stream),
        ("command", event.command_id),
        ("correlation", event.correlation_id),
    )
