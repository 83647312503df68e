"""The fan-out groups of a feed: found by their keys, and by the events that they may want."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

from commander.eventstore.records import EventFilter, RecordedEvent
from commander.streaming.feed.fan_out import (
    FanOutGroup,
    FeedItem,
    Heartbeat,
    StandsStill,
    addressed,
    addresses,
)

T = TypeVar("T")

_MAX_RENDERED_BYTES = 128 * 1024 * 1024
"""The approximate limit of all groups together. Beyond it, each group evicts its older half."""


class Groups:
    """The groups that have readers."""

    def __init__(self) -> None:
        self._groups: dict[Hashable, FanOutGroup[Any]] = {}
        self._listed: defaultdict[Hashable, set[FanOutGroup[Any]]] = defaultdict(set)
        self._added_weight = 0  # the weight added since the last check of the limit

    def __len__(self) -> int:
        return len(self._groups)

    @property
    def readers(self) -> int:
        """How many subscribers read from groups."""
        return sum(group.readers for group in self._groups.values())

    def join(
        self, key: Hashable, where: EventFilter, render: Callable[[FeedItem], T], floor: int
    ) -> FanOutGroup[T]:
        """Adds a reader to the group of this key. floor: of a group that is made for it."""
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = FanOutGroup(where, render, floor)
            for address in addresses(where):
                self._listed[address].add(group)
        group.readers += 1
        return group

    def leave(self, key: Hashable, group: FanOutGroup[Any]) -> None:
        """Removes a reader. The last one takes the group with it."""
        group.readers -= 1
        if group.readers:
            return
        del self._groups[key]
        for address in addresses(group.where):
            self._listed[address].discard(group)
            if not self._listed[address]:
                del self._listed[address]

    def add(self, events: Sequence[RecordedEvent]) -> None:
        """Gives events to the groups that want them, and wakes these."""
        grown: set[FanOutGroup[Any]] = set()
        for event in events:
            for address in addressed(event):
                for group in self._listed.get(address, ()):
                    if group.add(event):
                        grown.add(group)
        for group in grown:
            group.wake()
        self._added_weight += sum(group.weight for group in grown)
        if self._added_weight > _MAX_RENDERED_BYTES // 4:
            self._added_weight = 0
            self._evict()

    def restart(self, floor: int) -> None:
        """Empties all groups, because the tail has a gap."""
        for group in self._groups.values():
            group.restart(floor)
            group.wake()

    def wake(self) -> None:
        """Wakes all readers."""
        for group in self._groups.values():
            group.wake()

    def beat(self, item: Heartbeat | StandsStill) -> None:
        """Sends the item to the readers of groups without new events."""
        for group in list(self._groups.values()):
            group.beat(item)

    def _evict(self) -> None:
        """Evicts rendered events until all groups are within the limit."""
        while sum(group.weight for group in self._groups.values()) > _MAX_RENDERED_BYTES:
            for group in self._groups.values():
                group.evict(len(group) // 2)
