"""The lineage of a command: all that followed from it, ended and pending, as a tree."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from commander.domain import Domain, Rights
from commander.domain.errors import InvalidRequest, UndecodableEvent
from commander.domain.lookups import REACTION_REJECTED
from commander.domain.reactors import ReactorType, RecordedRejection
from commander.eventstore.log.lineage import Descendant, descendants, events_of_commands
from commander.eventstore.projections.folding import projection_statuses
from commander.eventstore.reactions.handled import Handled, handled_events
from commander.eventstore.records import RecordedEvent, SubmittedCommand
from commander.resolvers.reactions import by_cause
from commander.resolvers.services import Services
from commander.resolvers.status import CommandState, command_by_id, undecided
from commander.streaming.commands.pending_by_correlation import pending_by_correlation

MAX_DEPTH = 100
MAX_COMMANDS = 1000
MAX_EVENTS = 5000


@dataclass(frozen=True)
class ProjectionReach:
    """A projection that handles an event, and whether its table shows the event yet."""

    projection: str
    applied: bool


@dataclass(frozen=True)
class TracedEvent:
    """An event, the projections that handle it, and the commands that reactors sent because of it."""

    event: RecordedEvent
    projections: tuple[ProjectionReach, ...]
    reactions: tuple[TracedCommand, ...]


@dataclass(frozen=True)
class TracedCommand:
    """A command at a depth of the tree, with its events."""

    state: CommandState
    depth: int
    events: tuple[TracedEvent, ...]

    @property
    def correlation_id(self) -> UUID:
        return self.state.known.correlation_id

    @property
    def submitted_at(self) -> datetime:
        return self.state.known.submitted_at

    def all_events(self) -> list[RecordedEvent]:
        """The events of this command and of all below it."""
        return [one.event for command in self.walk() for one in command.events]

    def walk(self) -> list[TracedCommand]:
        """This command and all below it. Each stands before those that followed from it."""
        below = (command for event in self.events for command in event.reactions)
        return [self, *(one for command in below for one in command.walk())]


@dataclass(frozen=True)
class Lineage:
    """The tree of a command.

    truncated: the depth or the size cut the tree, or there are more pending commands than are searched.
    ended: every command shown has ended, every reactor has passed its events, and all pending commands were
    searched. The tree shown does not grow any more.
    """

    root: TracedCommand
    truncated: bool
    ended: bool

    @property
    def applied(self) -> bool:
        """Whether all projections show all its events."""
        events = (event for command in self.root.walk() for event in command.events)
        return all(one.applied for event in events for one in event.projections)

    @property
    def items(self) -> int:
        """How many commands and events the tree has."""
        return sum(1 + len(command.events) for command in self.root.walk())

    @property
    def settled(self) -> bool:
        return self.ended and self.applied


class Wanted(NamedTuple):
    """The tree to find: the command and its correlation, the deepest reaction, the most commands."""

    command_id: UUID
    correlation_id: UUID
    max_depth: int
    first: int


async def lineage_of(
    services: Services, command_id: UUID, max_depth: int, first: int, rights: Rights | None = None
) -> Lineage:
    """All that has followed from a command so far: `max_depth` reactions deep, at most `first` commands.

    Raises NotFound for an unknown id and for a command that the viewer may not see, InvalidRequest for limits
    out of range.
    """
    check_bounds(max_depth, first)
    root, reacted = await asyncio.gather(
        command_by_id(services, command_id, rights), handled_events(services.database)
    )
    wanted = Wanted(command_id, root.known.correlation_id, max_depth, first)
    found, positions = await asyncio.gather(find_lineage(services, wanted, reacted), find_positions(services))
    return applied_at(found, positions)


def check_bounds(max_depth: int, first: int) -> None:
    """Raises InvalidRequest."""
    for argument, value, least, most in (
        ("depth", max_depth, 0, MAX_DEPTH),
        ("first", first, 1, MAX_COMMANDS),
    ):
        if not least <= value <= most:
            raise InvalidRequest(argument, f"must be from {least} to {most}, got {value}")


async def find_positions(services: Services) -> dict[str, int]:
    """The positions of the projections, read from Postgres."""
    found = await projection_statuses(services.database, services.tables.values())
    return {status.name: status.position for status in found}


async def find_lineage(services: Services, wanted: Wanted, reacted: Handled) -> Lineage:
    """The tree, with no projection applied yet. It takes a fixed number of queries, whatever its size.

    reacted: what each reactor has handled. The commands that it sent up to there are at least pending. So the
    positions are read first, then the pending commands, and Postgres last. A command that has ended in the
    meantime is found in Postgres.
    """
    command_id, correlation_id, max_depth, first = wanted
    pending = await pending_by_correlation(services.nats, services.database, [correlation_id])
    found = await descendants(services.database, command_id, max_depth + 1, first + 1)
    if not found:
        root = next((one for one in pending.commands if one.command_id == command_id), None)
        state = await command_by_id(services, command_id) if root is None else undecided(services, root)
        if state.outcome is not None:  # it has ended in the meantime
            return await find_lineage(services, wanted, reacted)
        return Lineage(TracedCommand(state, 0, ()), truncated=False, ended=False)
    kept = [one for one in found if one.depth <= max_depth][:first]
    events = await events_of_commands(services.database, [one.outcome for one in kept], MAX_EVENTS + 1)
    reactions, more = _reactions(services, wanted, kept, events, pending.commands)
    cut = len(kept) < len(found) or more or sum(map(len, events.values())) > MAX_EVENTS
    awaited = any(_awaited(services.domain, event, reacted) for made in events.values() for event in made)
    return Lineage(
        _tree(services.domain, kept, events, reactions),
        truncated=cut or not pending.whole,
        ended=pending.whole and not awaited and not any(reactions.values()),
    )


def _reactions(
    services: Services,
    wanted: Wanted,
    ended: Sequence[Descendant],
    events: Mapping[UUID, Sequence[RecordedEvent]],
    pending: Iterable[SubmittedCommand],
) -> tuple[dict[int, list[TracedCommand]], bool]:
    """The pending commands that are reactions to these events, by position; and whether there are more.

    ended: the commands that have ended, nearest first, cut at the limits. A command that would fit and is not
    among them has not ended.
    """
    ids = {one.outcome.command_id for one in ended}
    caused = by_cause(one for one in pending if one.command_id not in ids)
    shown: dict[int, list[TracedCommand]] = {}
    room, more = wanted.first - len(ended), False
    for depth, outcome in ended:
        for event in events[outcome.command_id]:
            sent = caused.get(event.position, [])
            fitting = sent[:room] if depth < wanted.max_depth else []
            more |= len(fitting) < len(sent)
            room -= len(fitting)
            shown[event.position] = [TracedCommand(undecided(services, c), depth + 1, ()) for c in fitting]
    return shown, more


def _tree(
    domain: Domain,
    ended: Sequence[Descendant],
    events: Mapping[UUID, Sequence[RecordedEvent]],
    pending: Mapping[int, Sequence[TracedCommand]],
) -> TracedCommand:
    """The tree of these commands, which are in order of their depth. It is built from the leaves."""
    reactions: dict[int, list[TracedCommand]] = {}
    made: TracedCommand | None = None
    for depth, outcome in reversed(ended):
        traced = [
            TracedEvent(
                event,
                _waiting(domain, event),
                (*reversed(reactions.get(event.position, ())), *pending.get(event.position, ())),
            )
            for event in events[outcome.command_id]
        ]
        made = TracedCommand(CommandState(None, outcome), depth, tuple(traced))
        reactions.setdefault(outcome.causation_position or 0, []).append(made)
    assert made is not None, "a tree has a root"
    return made


def _waiting(domain: Domain, event: RecordedEvent) -> tuple[ProjectionReach, ...]:
    """The projections that handle an event of this type."""
    type_ = domain.event_type(event.type)
    return tuple(
        ProjectionReach(projection.name, False)
        for projection in domain.projections.values()
        if type_ is not None and type_.cls in projection.handlers
    )


def _awaited(domain: Domain, event: RecordedEvent, reacted: Handled) -> bool:
    """Whether a reactor that handles the event has not reacted to it yet."""
    if event.type == REACTION_REJECTED:
        refusal = domain.decode(event.type, event.schema_version, event.data, event.position)
        assert isinstance(refusal, RecordedRejection)
        known = refusal.reactor in domain.reactors
        return known and not reacted.includes(refusal.reactor, None, event.position)
    type_ = domain.event_type(event.type)
    reactors = [one for one in domain.reactors.values() if type_ is not None and one.takes(type_.cls)]
    return any(
        not reacted.includes(reactor.name, _key_in(domain, reactor, event, reacted), event.position)
        for reactor in reactors
    )


def _key_in(domain: Domain, reactor: ReactorType, event: RecordedEvent, reacted: Handled) -> str | None:
    """The reactor's key in an event; None if no key is parked, or if the event cannot be read."""
    if reactor.key is None:
        return event.stream
    if reactor.name not in reacted.parked:
        return None
    try:
        instance = domain.decode(event.type, event.schema_version, event.data, event.position)
        return reactor.key_of(instance) or ""
    except UndecodableEvent:
        return None


def applied_at(lineage: Lineage, positions: Mapping[str, int]) -> Lineage:
    """The tree with those events applied that the projections show at these positions."""

    def command(one: TracedCommand) -> TracedCommand:
        return replace(one, events=tuple(map(event, one.events)))

    def event(one: TracedEvent) -> TracedEvent:
        shown = (
            ProjectionReach(p.projection, positions.get(p.projection, 0) >= one.event.position)
            for p in one.projections
        )
        return replace(one, projections=tuple(shown), reactions=tuple(map(command, one.reactions)))

    return replace(lineage, root=command(lineage.root))
