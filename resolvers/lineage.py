"""What followed from a command, as a tree: asked once, or watched while it grows.

A watcher looks again when something was told: an event of the same correlation by the feed, the command's own
end, a projection's move. The projections' moves are compared in memory; only the others read the tree anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from commander.domain import Domain
from commander.domain.errors import InvalidRequest
from eventstore.lineage import Descendant, descendants, events_of_commands
from eventstore.outcomes import outcome_of
from eventstore.projections import standings
from eventstore.records import EventFilter, RecordedEvent
from resolvers.services import Services
from resolvers.status import CommandState, command_by_id
from streaming.channel import FeedItem

MAX_DEPTH = 100
MAX_COMMANDS = 1000
MAX_EVENTS = 5000
_LOST_SECONDS = 5.0


@dataclass(frozen=True)
class Applied:
    """A projection that handles an event, and whether its table shows the event yet."""

    projection: str
    applied: bool


@dataclass(frozen=True)
class TracedEvent:
    """An event, the projections that handle it, and the commands that were sent because of it."""

    event: RecordedEvent
    projections: tuple[Applied, ...]
    reactions: tuple[TracedCommand, ...]

    @property
    def settled(self) -> bool:
        return all(one.applied for one in self.projections) and all(c.settled for c in self.reactions)


@dataclass(frozen=True)
class TracedCommand:
    """A command at a depth of the tree, and the events it made."""

    state: CommandState
    depth: int
    events: tuple[TracedEvent, ...]

    @property
    def settled(self) -> bool:
        return self.state.outcome is not None and all(event.settled for event in self.events)

    @property
    def submitted_at(self) -> datetime:
        made = self.state.outcome or self.state.submitted
        assert made is not None, "a state has the one or the other"
        return made.submitted_at

    def walk(self) -> list[TracedCommand]:
        """This command and all below it, each before what followed from it."""
        below = (command for event in self.events for command in event.reactions)
        return [self, *(one for command in below for one in command.walk())]


@dataclass(frozen=True)
class Lineage:
    """root: the command asked for. truncated: there is more than the depth, or the size, lets in."""

    root: TracedCommand
    truncated: bool


async def lineage_of(services: Services, command_id: UUID, max_depth: int, first: int) -> Lineage:
    """What has followed from a command by now: `max_depth` reactions deep, at most `first` commands.

    Raises NotFound for an id that nothing is known of, InvalidRequest for bounds out of range.
    """
    _check_bounds(max_depth, first)
    found = await _found(services, command_id, max_depth, first)
    return _applied(found, await _positions(services))


async def follow_lineage(
    services: Services, command_id: UUID, max_depth: int, first: int
) -> AsyncGenerator[Lineage, None]:
    """The tree as it is, and again whenever it has changed, until its subscriber goes.

    A reaction that made no event is told by nobody; it shows with the next event, or heartbeat of the feed.
    Raises NotFound for an id that nothing is known of, InvalidRequest for bounds out of range.
    """
    _check_bounds(max_depth, first)
    root = await command_by_id(services, command_id)
    made = root.outcome or root.submitted
    assert made is not None, "a state has the one or the other"
    ears = _Ears(services)
    hearing = [ears.events_of(made.correlation_id), ears.moves()]
    if root.outcome is None:
        hearing.append(ears.end_of(command_id))
    tasks = [ears.begin(one) for one in hearing]
    found: Lineage | None = None
    last: Lineage | None = None
    try:
        while True:
            grown = await ears.next()
            if found is None or grown:
                found = await _found(services, command_id, max_depth, first)
                ears.positions = _furthest(ears.positions, await _positions(services))
            shown = _applied(found, ears.positions)
            ears.all_applied = shown.root.settled
            if shown != last:
                last = shown
                yield shown
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Ears:
    """What one watcher hears. all_applied: no projection's move can change what it has shown."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._rung = asyncio.Event()
        self._grown = False
        self._began = False
        self._failure: BaseException | None = None
        self.positions: Mapping[str, int] = {}
        self.all_applied = False

    def begin(self, hearing: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Hears in the background; a failure is the watcher's."""
        task = asyncio.create_task(hearing)
        task.add_done_callback(self._ended)
        return task

    async def next(self) -> bool:
        """Returns when something was heard; says whether the tree may have grown. Raises what failed."""
        await self._rung.wait()
        self._rung.clear()
        if self._failure is not None:
            raise self._failure
        grown, self._grown = self._grown, False
        return grown

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
            if self._began and not self.all_applied:
                names = self._services.domain.projections
                self.positions = _furthest(self.positions, {n: progress.position_of(n) for n in names})
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


def _furthest(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: max(one.get(name, 0), other.get(name, 0)) for name in one.keys() | other.keys()}


def _check_bounds(max_depth: int, first: int) -> None:
    for argument, value, least, most in (
        ("depth", max_depth, 0, MAX_DEPTH),
        ("first", first, 1, MAX_COMMANDS),
    ):
        if not least <= value <= most:
            raise InvalidRequest(argument, f"must be from {least} to {most}, got {value}")


async def _positions(services: Services) -> dict[str, int]:
    """How far the projections have come, from Postgres."""
    found = await standings(services.database, services.tables.values())
    return {standing.name: standing.position for standing in found}


async def _found(services: Services, command_id: UUID, max_depth: int, first: int) -> Lineage:
    """The tree, with all projections still to come: two statements, however large it is."""
    found = await descendants(services.database, command_id, max_depth + 1, first + 1)
    if not found:
        return Lineage(TracedCommand(await command_by_id(services, command_id), 0, ()), truncated=False)
    kept = [one for one in found if one.depth <= max_depth][:first]
    events = await events_of_commands(services.database, [one.outcome for one in kept], MAX_EVENTS + 1)
    truncated = len(kept) < len(found) or sum(map(len, events.values())) > MAX_EVENTS
    return Lineage(_grown(services.domain, kept, events), truncated)


def _grown(
    domain: Domain, found: Sequence[Descendant], events: Mapping[UUID, Sequence[RecordedEvent]]
) -> TracedCommand:
    """The tree of these commands, which are in order of their depth: built from its leaves."""
    reactions: dict[int, list[TracedCommand]] = {}
    made: TracedCommand | None = None
    for depth, outcome in reversed(found):
        traced = [
            TracedEvent(event, _waiting(domain, event), tuple(reversed(reactions.get(event.position, ()))))
            for event in events[outcome.command_id]
        ]
        made = TracedCommand(CommandState(None, outcome), depth, tuple(traced))
        reactions.setdefault(outcome.causation_position or 0, []).append(made)
    assert made is not None, "a tree has a root"
    return made


def _waiting(domain: Domain, event: RecordedEvent) -> tuple[Applied, ...]:
    """The projections that handle an event of this type."""
    type_ = domain.event_type(event.type)
    return tuple(
        Applied(projection.name, False)
        for projection in domain.projections.values()
        if type_ is not None and type_.cls in projection.handlers
    )


def _applied(lineage: Lineage, positions: Mapping[str, int]) -> Lineage:
    """The tree with what the projections show at these positions."""

    def command(one: TracedCommand) -> TracedCommand:
        return replace(one, events=tuple(map(event, one.events)))

    def event(one: TracedEvent) -> TracedEvent:
        shown = (
            Applied(p.projection, positions.get(p.projection, 0) >= one.event.position)
            for p in one.projections
        )
        return replace(one, projections=tuple(shown), reactions=tuple(map(command, one.reactions)))

    return replace(lineage, root=command(lineage.root))
