"""The fields about the lineage of a command: the tree of its events and reactions, with timings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import strawberry
from strawberry.types import Info

from commander.domain import Rights
from commander.resolvers import lineage as resolving
from commander.resolvers.lineage_watch import follow_lineage
from commander.resolvers.status import unknown_command
from commander.resolvers.time_limits import within
from commander.resolvers.visible_events import sees_command, visible_events
from commander.schema.context import Context
from commander.schema.types.events import EventTypes
from commander.schema.types.records import Command, Event, command_of
from commander.schema.types.scalars import Position
from commander.streaming.commands.pending_by_correlation import MAX_MESSAGES


@strawberry.type(description="A projection that handles an event, and whether it shows the event yet.")
class LineageProjection:
    name: str
    applied: bool = strawberry.field(description="Whether it shows the event.")


@strawberry.type(description="An event in a lineage, with its projections and reactions.")
class LineageEvent:
    event: Event | None = strawberry.field(description="Null for those who may not see it.")
    recorded_at: datetime
    since_submitted_ms: float = strawberry.field(
        description="The time from the submission of the root command until this event was stored."
    )
    projections: list[LineageProjection] = strawberry.field(
        description="The projections that handle this event."
    )
    reactions: list[LineageCommand] = strawberry.field(
        description="The commands that reactors sent because of this event."
    )


@strawberry.type(description="A command in a lineage, ended or pending, with its events.")
class LineageCommand:
    command: Command
    depth: int = strawberry.field(
        description="The number of reactions between the root and this command. The root has 0."
    )
    submitted_at: datetime
    decided_at: datetime | None
    waited_ms: float | None = strawberry.field(
        description="The time from the submission of this command until it was decided."
    )
    since_submitted_ms: float | None = strawberry.field(
        description="The time from the submission of the root command until this command was decided."
    )
    events: list[LineageEvent]


@strawberry.type(description="A command and all that has followed from it so far.")
class Lineage:
    correlation_id: UUID
    root: LineageCommand = strawberry.field(description="The command that the tree begins with.")
    commands: list[LineageCommand] = strawberry.field(
        description="All commands of the tree. Each stands before those that followed from it."
    )
    settled: bool = strawberry.field(
        description="Every command has ended, every projection shows it, every reactor has passed its events."
    )
    truncated: bool = strawberry.field(
        description="The limits `depth` or `first` cut the tree, or the queue has more than "
        f"{MAX_MESSAGES} messages, of which only the first are searched. Such a queue keeps `settled` false."
    )
    position: Position | None = strawberry.field(description="The position of the newest event in the tree.")
    duration_ms: float | None = strawberry.field(
        description="The time from the submission of the root command until the newest decision."
    )


def lineage_fields(types: EventTypes) -> tuple[list[Any], list[Any]]:
    """The fields (of Query, of Subscription) that show the lineage of a command."""

    async def lineage(
        info: Info[Context, None], command_id: UUID, depth: int = 20, first: int = 200
    ) -> Lineage:
        found = await resolving.lineage_of(
            info.context.services, command_id, depth, first, info.context.rights
        )
        info.context.size.add(found.items)
        return await shown(info.context, found)

    async def watched(
        info: Info[Context, None], command_id: UUID, depth: int = 20, first: int = 200
    ) -> AsyncIterator[Lineage]:
        context = info.context
        seconds = context.services.limits.operation_seconds
        trees = follow_lineage(context.services, command_id, depth, first, context.rights)
        async with aclosing(trees):
            async for found in trees:
                yield await within(seconds, shown(context, found))

    async def shown(context: Context, found: resolving.Lineage) -> Lineage:
        """Raises NotFound if the viewer may not see the command that the tree begins with.

        That of a pending command can change: of two with one id, the one that is decided first counts.
        """
        if not sees_command(context.rights, found.root.state.known):
            raise unknown_command(found.root.state.known.command_id)
        seen = await visible_events(context.services, context.rights, found.root.all_events())
        return _lineage(found, _Shown(types, context.rights, {event.position for event in seen}))

    return (
        [
            strawberry.field(
                lineage,
                name="lineage",
                description="A command and all that has followed from it, through all reactions.",
            )
        ],
        [
            strawberry.subscription(
                watched,
                name="lineage",
                description="The lineage of a command: first as it is now, then again after each change.",
            )
        ],
    )


class _Shown(NamedTuple):
    """What a viewer sees of a lineage. positions: those of the events that it sees."""

    types: EventTypes
    rights: Rights | None
    positions: set[int]


def _lineage(found: resolving.Lineage, shown: _Shown) -> Lineage:
    began = found.root.submitted_at
    made: list[LineageCommand] = []
    root = _command(found.root, began, shown, made)
    moments = [one.decided_at for one in made if one.decided_at is not None]
    positions = [event.position for event in found.root.all_events()]
    return Lineage(
        correlation_id=root.command.correlation_id,
        root=root,
        commands=made,
        settled=found.settled,
        truncated=found.truncated,
        position=Position(max(positions)) if positions else None,
        duration_ms=_milliseconds(began, max(moments)) if moments else None,
    )


def _command(
    one: resolving.TracedCommand, began: datetime, shown: _Shown, made: list[LineageCommand]
) -> LineageCommand:
    """The command with its subtree. Appends each command to `made`, before those that followed from it."""
    command = command_of(one.state, shown.types, shown.rights)
    decided_at = command.decided_at
    traced = LineageCommand(
        command=command,
        depth=one.depth,
        submitted_at=command.submitted_at,
        decided_at=decided_at,
        waited_ms=None if decided_at is None else _milliseconds(command.submitted_at, decided_at),
        since_submitted_ms=None if decided_at is None else _milliseconds(began, decided_at),
        events=[],
    )
    made.append(traced)
    for event in one.events:
        traced.events.append(_event(event, began, shown, made))
    return traced


def _event(
    one: resolving.TracedEvent, began: datetime, shown: _Shown, made: list[LineageCommand]
) -> LineageEvent:
    types = shown.types
    return LineageEvent(
        event=types.of(one.event, shown.rights) if one.event.position in shown.positions else None,
        recorded_at=one.event.recorded_at,
        since_submitted_ms=_milliseconds(began, one.event.recorded_at),
        projections=[
            LineageProjection(name=types.domain.projections[p.projection].query, applied=p.applied)
            for p in one.projections
        ],
        reactions=[_command(reaction, began, shown, made) for reaction in one.reactions],
    )


def _milliseconds(begin: datetime, end: datetime) -> float:
    return round((end - begin).total_seconds() * 1000, 3)
