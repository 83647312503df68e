"""What followed from a command: reactions below an event, and the tree of a command with its timings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry
from strawberry.types import Info

from commander.resolvers import lineage as resolving
from commander.resolvers.lineage_watch import follow_lineage
from commander.schema.context import Context
from commander.schema.types.events import EventTypes
from commander.schema.types.field_types import Position
from commander.schema.types.records import Command, Event, command_of
from commander.streaming.commands.pending_by_correlation import MAX_MESSAGES


@strawberry.type(description="Whether a projection that handles an event shows it yet.")
class LineageProjection:
    name: str
    applied: bool


@strawberry.type(description="An event in a lineage, and what followed from it.")
class LineageEvent:
    event: Event
    recorded_at: datetime
    since_submitted_ms: float = strawberry.field(
        description="From the moment the lineage's first command was submitted until this was stored."
    )
    projections: list[LineageProjection] = strawberry.field(description="Those that handle this event.")
    reactions: list[LineageCommand]


@strawberry.type(description="A command in a lineage, ended or under way, and the events it made.")
class LineageCommand:
    command: Command
    depth: int = strawberry.field(description="How many reactions lie before it.")
    submitted_at: datetime
    decided_at: datetime | None
    waited_ms: float | None = strawberry.field(description="From submitted to decided.")
    since_submitted_ms: float | None = strawberry.field(
        description="From the moment the lineage's first command was submitted until this was decided."
    )
    events: list[LineageEvent]


@strawberry.type(description="A command and what has followed from it by now.")
class Lineage:
    correlation_id: UUID
    root: LineageCommand
    commands: list[LineageCommand] = strawberry.field(
        description="All of them, each before what followed from it; their depths are the tree."
    )
    settled: bool = strawberry.field(
        description="All that is shown has ended and is applied, and no reactor has still to come to it."
    )
    truncated: bool = strawberry.field(
        description=f"There is more than depth and first let in, or the first {MAX_MESSAGES} messages of the "
        "queue were looked through, and there are more: then it is not settled."
    )
    position: Position | None = strawberry.field(description="Of the newest event that is shown.")
    duration_ms: float | None = strawberry.field(
        description="From the first command's submission until the newest event or decision."
    )


def lineage_fields(types: EventTypes) -> tuple[list[Any], list[Any]]:
    """The fields (of Query, of Subscription) that show what followed from a command."""

    async def lineage(
        info: Info[Context, None], command_id: UUID, depth: int = 20, first: int = 200
    ) -> Lineage:
        found = await resolving.lineage_of(info.context.services, command_id, depth, first)
        return _lineage(found, types)

    async def watched(
        info: Info[Context, None], command_id: UUID, depth: int = 20, first: int = 200
    ) -> AsyncIterator[Lineage]:
        trees = follow_lineage(info.context.services, command_id, depth, first)
        async with aclosing(trees):
            async for found in trees:
                yield _lineage(found, types)

    return (
        [
            strawberry.field(
                lineage, name="lineage", description="What followed from a command, through all reactions."
            )
        ],
        [
            strawberry.subscription(
                watched, name="lineage", description="The same, and again whenever it has changed."
            )
        ],
    )


def _lineage(found: resolving.Lineage, types: EventTypes) -> Lineage:
    began = found.root.submitted_at
    made: list[LineageCommand] = []
    root = _command(found.root, began, types, made)
    moments = [one.decided_at for one in made if one.decided_at is not None]
    positions = [event.event.position for one in made for event in one.events]
    return Lineage(
        correlation_id=root.command.correlation_id,
        root=root,
        commands=made,
        settled=found.settled,
        truncated=found.truncated,
        position=max(positions, default=None),
        duration_ms=_milliseconds(began, max(moments)) if moments else None,
    )


def _command(
    one: resolving.TracedCommand, began: datetime, types: EventTypes, made: list[LineageCommand]
) -> LineageCommand:
    """With all below it. made: takes each, before what followed from it."""
    command = command_of(one.state, types)
    decided_at = command.decided_at
    shown = LineageCommand(
        command=command,
        depth=one.depth,
        submitted_at=command.submitted_at,
        decided_at=decided_at,
        waited_ms=None if decided_at is None else _milliseconds(command.submitted_at, decided_at),
        since_submitted_ms=None if decided_at is None else _milliseconds(began, decided_at),
        events=[],
    )
    made.append(shown)
    for event in one.events:
        shown.events.append(_event(event, began, types, made))
    return shown


def _event(
    one: resolving.TracedEvent, began: datetime, types: EventTypes, made: list[LineageCommand]
) -> LineageEvent:
    return LineageEvent(
        event=types.of(one.event),
        recorded_at=one.event.recorded_at,
        since_submitted_ms=_milliseconds(began, one.event.recorded_at),
        projections=[LineageProjection(name=p.projection, applied=p.applied) for p in one.projections],
        reactions=[_command(reaction, began, types, made) for reaction in one.reactions],
    )


def _milliseconds(begin: datetime, end: datetime) -> float:
    return round((end - begin).total_seconds() * 1000, 3)
