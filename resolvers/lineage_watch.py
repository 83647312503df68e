"""A lineage watched while it grows.

A watcher looks again when something was told: an event of the same correlation by the feed, the command's own
end, a projection's move. The projections' moves are compared in memory; only the others read the tree anew.

What is sent, and waits, is told by nobody, nor that a reactor has come past an event. So as long as a tree
has not ended it is looked at again: soon after it has changed, then ever less often. Of one that has ended
nothing is asked.

    changed ─► looked at again, ever later ─► ended
       ▲──────────────┴─────────────────────────┘
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import aclosing
from typing import Any
from uuid import UUID

from commander.eventstore.log.outcomes import outcome_of
from commander.eventstore.reactions.reactors import reactor_positions
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
from commander.streaming.feed.fan_out import FeedItem

_SOON_SECONDS = 0.25
_LOST_SECONDS = 5.0


async def follow_lineage(
    services: Services, command_id: UUID, max_depth: int, first: int
) -> AsyncGenerator[Lineage, None]:
    """The tree as it is, and again whenever it has changed, until its subscriber goes.

    What is told shows at once; that a reaction waits, and that all has ended, a quarter of a second later, or
    up to five seconds later where it takes its time.
    Raises NotFound for an id that nothing is known of, InvalidRequest for bounds out of range.
    """
    check_bounds(max_depth, first)
    root = await command_by_id(services, command_id)
    wanted = Wanted(command_id, root.known.correlation_id, max_depth, first)
    ears = _Signals(services)
    hearing = [ears.events_of(wanted.correlation_id), ears.moves()]
    if root.outcome is None:
        hearing.append(ears.end_of(command_id))
    tasks = [ears.begin(one) for one in hearing]
    looking = _Looking()
    found: Lineage | None = None
    last: tuple[TracedCommand, bool, bool] | None = None
    try:
        while True:
            grown = await ears.next(looking.at)
            if found is None or grown:
                before = found
                found = await find_lineage(services, wanted, await reactor_positions(services.database))
                looking.looked(changed=found != before, ended=found.ended)
                ears.take(await find_positions(services))
            shown = ears.applied(found)
            told = (shown.root, shown.truncated, shown.settled)
            if told != last:
                last = told
                yield shown
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Looking:
    """When a watcher looks again though it has heard nothing. at: a time of the loop; None: not at all."""

    def __init__(self) -> None:
        self.at: float | None = None
        self._pause = _SOON_SECONDS

    def looked(self, *, changed: bool, ended: bool) -> None:
        now = asyncio.get_running_loop().time()
        if ended:
            self.at = None
        elif changed or self.at is None:
            self._pause = _SOON_SECONDS
            self.at = now + self._pause
        elif self.at <= now:
            self._pause = min(2 * self._pause, _LOST_SECONDS)
            self.at = now + self._pause


class _Signals:
    """What one watcher hears."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._rung = asyncio.Event()
        self._grown = False
        self._began = False
        self._failure: BaseException | None = None
        self._positions: dict[str, int] = {}
        self._all_applied = False

    def begin(self, hearing: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Hears in the background; a failure is the watcher's."""
        task = asyncio.create_task(hearing)
        task.add_done_callback(self._ended)
        return task

    async def next(self, at: float | None) -> bool:
        """Returns when something was heard, or at a time of the loop; says whether the tree may have grown.

        Raises what failed.
        """
        try:
            async with asyncio.timeout_at(at):
                await self._rung.wait()
        except TimeoutError:
            pass
        self._rung.clear()
        if self._failure is not None:
            raise self._failure
        grown, self._grown = self._grown, False
        return grown or (at is not None and asyncio.get_running_loop().time() >= at)

    def take(self, positions: Mapping[str, int]) -> None:
        """Takes note of how far projections have come; none goes back."""
        for name, position in positions.items():
            self._positions[name] = max(self._positions.get(name, 0), position)

    def applied(self, found: Lineage) -> Lineage:
        """The tree with what the projections show by now; they are listened to as long as something lacks."""
        progress = self._services.progress
        self.take({name: progress.position_of(name) for name in self._services.domain.projections})
        shown = applied_at(found, self._positions)
        self._all_applied = shown.applied
        return shown

    async def events_of(self, correlation_id: UUID) -> None:
        """The first item, CaughtUp, says that what is committed from here on is heard."""
        where = EventFilter(correlation_id=correlation_id)
        items = self._services.feed.follow(("lineage", correlation_id), None, where, _as_it_is)
        async with aclosing(items):
            async for _ in items:
                self._began = True
                self._ring(grown=True)

    async def end_of(self, command_id: UUID) -> None:
        """A command that is rejected makes no event."""
        async with self._services.outcomes.watch(command_id) as ended:
            while await outcome_of(self._services.database, command_id) is None:
                await ended.wait(_LOST_SECONDS)
        self._ring(grown=True)

    async def moves(self) -> None:
        progress = self._services.progress
        while True:
            moved = progress.moved
            if self._began and not self._all_applied:
                self._ring(grown=False)
            await moved.wait()

    def _ring(self, *, grown: bool) -> None:
        self._grown |= grown
        self._rung.set()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            self._failure = self._failure or task.exception()
        self._rung.set()


def _as_it_is(item: FeedItem) -> FeedItem:
    return item
