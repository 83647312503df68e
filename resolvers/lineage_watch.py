"""A lineage as a subscription: the tree, and the tree again after each change.

A watcher reacts to three signals: an event of the same correlation (from the feed), the outcome of the root
command, and a new position of a projection. After the first two it reads the tree again. After the third it
compares positions in memory.

There is no signal for a command that a reactor has sent, nor for a reactor that has passed an event. So a
watcher also polls a tree that has not ended: 0.25 seconds after a change, then at growing intervals. It does
not poll a tree that has ended.

    changed ─► polled, at growing intervals ─► ended
       ▲──────────────┴──────────────────────────┘
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import aclosing
from typing import Any
from uuid import UUID

from commander.domain import Rights
from commander.eventstore.log.outcomes import outcome_of
from commander.eventstore.reactions.handled import handled_events
from commander.eventstore.records import EventFilter
from commander.resolvers.lineage import (
    Lineage,
    TracedCommand,
    Wanted,
    applied_at,
    check_bounds,
    find_lineage,
    find_positions,
)
from commander.resolvers.services import Services
from commander.resolvers.status import command_by_id
from commander.resolvers.time_limits import within
from commander.streaming.feed.fan_out import FeedItem

_FIRST_POLL_SECONDS = 0.25
_LONGEST_POLL_SECONDS = 5.0


async def follow_lineage(
    services: Services, command_id: UUID, max_depth: int, first: int, rights: Rights | None = None
) -> AsyncGenerator[Lineage, None]:
    """The tree, and the tree again after each change, until the subscriber leaves.

    A change that has a signal shows at once. A pending reaction, and the end of the tree, show after 0.25
    seconds, or after up to 5 seconds when the tree has not changed for a while.
    Each tree is read within the limit of time of an item.
    Raises NotFound for an unknown id and for a command that the viewer may not see, InvalidRequest for limits
    out of range, TimedOut.
    """
    check_bounds(max_depth, first)
    seconds = services.limits.operation_seconds
    root = await within(seconds, command_by_id(services, command_id, rights))
    wanted = Wanted(command_id, root.known.correlation_id, max_depth, first)
    last: tuple[TracedCommand, bool, bool] | None = None
    trees = lineage_changes(services, wanted, root.outcome is not None, seconds=seconds)
    async with aclosing(trees) as changes:
        async for shown in changes:
            content = (shown.root, shown.truncated, shown.settled)
            if content != last:
                last = content
                yield shown


async def lineage_changes(
    services: Services,
    wanted: Wanted,
    root_has_ended: bool,
    first_poll_seconds: float = _FIRST_POLL_SECONDS,
    seconds: float = 0,
) -> AsyncGenerator[Lineage, None]:
    """The tree, and the tree again after each signal and each poll, whether it has changed or not.

    Between two of them it holds no connection to Postgres. seconds: the longest time to read one; 0: no
    limit.
    """

    async def read() -> tuple[Lineage, dict[str, int]]:
        tree = await find_lineage(services, wanted, await handled_events(services.database))
        return tree, await find_positions(services)

    signals = _Signals(services)
    listeners = [signals.listen_to_events(wanted.correlation_id), signals.listen_to_positions()]
    if not root_has_ended:
        listeners.append(signals.listen_to_outcome(wanted.command_id))
    tasks = [signals.start(listener) for listener in listeners]
    polling = _Polling(first_poll_seconds)
    found: Lineage | None = None
    try:
        while True:
            grown = await signals.next(polling.at)
            if found is None or grown:
                before = found
                tree, positions = await within(seconds, read())
                polling.schedule(changed=tree != before, ended=tree.ended)
                found = tree
                signals.advance(positions)
            yield signals.applied(found)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Polling:
    """When a watcher reads the tree again without a signal. at: a time of the event loop. None: never."""

    def __init__(self, first_seconds: float) -> None:
        self.at: float | None = None
        self._first_seconds = self._interval_seconds = first_seconds

    def schedule(self, *, changed: bool, ended: bool) -> None:
        now = asyncio.get_running_loop().time()
        if ended:
            self.at = None
        elif changed or self.at is None:
            self._interval_seconds = self._first_seconds
            self.at = now + self._interval_seconds
        elif self.at <= now:
            self._interval_seconds = min(2 * self._interval_seconds, _LONGEST_POLL_SECONDS)
            self.at = now + self._interval_seconds


class _Signals:
    """The signals that one watcher listens to."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._signalled = asyncio.Event()
        self._grown = False
        self._feed_began = False
        self._failure: BaseException | None = None
        self._positions: dict[str, int] = {}
        self._all_applied = False

    def start(self, listener: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs a listener in the background. If it fails, `next` raises its error."""
        task = asyncio.create_task(listener)
        task.add_done_callback(self._ended)
        return task

    async def next(self, at: float | None) -> bool:
        """Waits for a signal, until a time of the event loop. Returns whether the tree must be read again.

        Raises the error of a listener that failed.
        """
        try:
            async with asyncio.timeout_at(at):
                await self._signalled.wait()
        except TimeoutError:
            pass
        self._signalled.clear()
        if self._failure is not None:
            raise self._failure
        grown, self._grown = self._grown, False
        return grown or (at is not None and asyncio.get_running_loop().time() >= at)

    def advance(self, positions: Mapping[str, int]) -> None:
        """Remembers the positions of projections. No position decreases."""
        for name, position in positions.items():
            self._positions[name] = max(self._positions.get(name, 0), position)

    def applied(self, found: Lineage) -> Lineage:
        """The tree with the events applied that projections show now. Once all are, positions are ignored."""
        progress = self._services.progress
        self.advance({name: progress.position_of(name) for name in self._services.domain.projections})
        shown = applied_at(found, self._positions)
        self._all_applied = shown.applied
        return shown

    async def listen_to_events(self, correlation_id: UUID) -> None:
        """Signals each event of the correlation. After the first item, CaughtUp, no event is missed."""
        where = EventFilter(correlation_id=correlation_id)
        items = self._services.feed.follow(("lineage", correlation_id), None, where, _unchanged)
        async with aclosing(items):
            async for _ in items:
                self._feed_began = True
                self._signal(grown=True)

    async def listen_to_outcome(self, command_id: UUID) -> None:
        """Signals the outcome of a command. A rejected command has no event that would signal it."""
        async with self._services.outcomes.watch(command_id) as ended:
            while await outcome_of(self._services.database, command_id) is None:
                await ended.wait(_LONGEST_POLL_SECONDS)
        self._signal(grown=True)

    async def listen_to_positions(self) -> None:
        """Signals each new position of a projection."""
        progress = self._services.progress
        while True:
            moved = progress.moved
            if self._feed_began and not self._all_applied:
                self._signal(grown=False)
            await moved.wait()

    def _signal(self, *, grown: bool) -> None:
        self._grown |= grown
        self._signalled.set()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            self._failure = self._failure or task.exception()
        self._signalled.set()


def _unchanged(item: FeedItem) -> FeedItem:
    return item
