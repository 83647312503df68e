"""The types that refer to one another: an event, the command that made it, the commands that followed."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Protocol
from uuid import UUID

import msgspec
import strawberry
from strawberry.scalars import JSON
from strawberry.types import Info

from commander.eventstore.records import Outcome, RecordedEvent
from commander.resolvers import dead_letters as dead
from commander.resolvers import status as resolving
from commander.schema.context import Context
from commander.schema.types.field_types import Position
from commander.streaming.commands.pending_by_correlation import MAX_MESSAGES


class EventTypes(Protocol):
    """The way from a stored event to an instance of its GraphQL type; see events.py."""

    def of(self, recorded: RecordedEvent) -> Event: ...


@strawberry.interface(description="Something at a place in the log; every item of the feed is one.")
class FeedItem:
    position: Position = strawberry.field(
        description="Where it stands in the log. Resume a subscription with after: this position."
    )


async def _reactions(root: Event, info: Info[Context, None]) -> list[Reaction]:
    found = await info.context.batching.reactions.load((root.position, root.correlation_id))
    return [Reaction(reactor=one.known.reactor, command=command_of(one, root._types)) for one in found]


@strawberry.interface(description="A fact, stored for good.")
class Event(FeedItem):
    _types: strawberry.Private[EventTypes]
    stream: str = strawberry.field(description="The stream it is of: the aggregate's name, a dash, the key.")
    version: int = strawberry.field(description="Its place in its stream, from 1.")
    aggregate: str
    type: str
    schema_version: int
    recorded_at: datetime
    command_id: UUID = strawberry.field(description="The command that made it.")
    correlation_id: UUID = strawberry.field(description="Shared by all that follows from one request.")
    causation_position: Position | None = strawberry.field(
        description="The event that a reactor reacted to with the command that made this one."
    )
    reactions: list[Reaction] = strawberry.field(
        resolver=_reactions,
        description="The commands that reactors sent because of it, at most 500: those that have ended, then "
        f"the queued ones (in the first {MAX_MESSAGES} messages of the queue), then the scheduled ones. Not "
        "in the subscription events: that is sent before anybody reacts; see the subscription lineage.",
    )


@strawberry.enum(description="Where a command stands.")
class CommandStatus(Enum):
    SCHEDULED = "SCHEDULED"
    ACCEPTED = "ACCEPTED"
    APPLIED = "APPLIED"
    REJECTED = "REJECTED"
    FAILED = "FAILED"


async def _events_made(root: Command, info: Info[Context, None]) -> list[Event]:
    if root.made is None:
        return []
    return [root.event_types.of(event) for event in await info.context.batching.events.load(root.made)]


@strawberry.enum(description="What was done with a dead letter.")
class DeadLetterDeed(Enum):
    RETRIED = "RETRIED"
    DROPPED = "DROPPED"


@strawberry.type(description="What was done with a dead letter: by whom, if that is known, and when.")
class DeadLetterAction:
    deed: DeadLetterDeed
    retried_as: UUID | None = strawberry.field(description="The id of the command that it was retried as.")
    actor: str | None
    at: datetime


async def _dealt_with(root: Command, info: Info[Context, None]) -> DeadLetterAction | None:
    if root.status is not CommandStatus.FAILED:
        return None
    done = await dead.what_was_done(info.context.services.database, root.id)
    if done is None:
        return None
    return DeadLetterAction(
        deed=DeadLetterDeed(done.action), retried_as=done.retried_as, actor=done.actor, at=done.at
    )


@strawberry.type(description="A command, with all that is known of it; what its end brings is null before.")
class Command:
    id: UUID
    type: str
    status: CommandStatus
    stream: str
    input: JSON = strawberry.field(description="The command as it was submitted.")
    code: str | None
    message: str | None
    position: Position | None = strawberry.field(description="Of its last event.")
    version: int | None = strawberry.field(description="The stream's, after it.")
    correlation_id: UUID
    causation_position: Position | None = strawberry.field(description="The event that a reactor reacted to.")
    reactor: str | None = strawberry.field(description="The reactor that sent it, if one did.")
    actor: str | None
    submitted_at: datetime
    not_before: datetime | None = strawberry.field(description="Of a scheduled command: when it is due.")
    decided_at: datetime | None = strawberry.field(description="When its outcome was stored.")
    decider_now: datetime | None = strawberry.field(
        description="The now of its decider, to the microsecond. With it the command can be decided again, "
        "exactly. Null where no decider ran: cancelled, version conflict, failed before the decision."
    )
    made: strawberry.Private[Outcome | None]
    event_types: strawberry.Private[EventTypes]
    events: list[Event] = strawberry.field(resolver=_events_made, description="The events it made.")
    dead_letter_action: DeadLetterAction | None = strawberry.field(
        resolver=_dealt_with, description="Of a failed command: what was done with it, if anything was."
    )


@strawberry.type(description="A command that was sent because of an event.")
class Reaction:
    reactor: str | None = strawberry.field(description="The reactor that sent it.")
    command: Command


def command_of(state: resolving.CommandState, events: EventTypes) -> Command:
    """A command as it stands: queued, or ended."""
    if state.outcome is not None:
        return ended(state.outcome, events)
    queued = state.submitted
    assert queued is not None, "a state has the one or the other"
    return Command(
        id=queued.command_id,
        type=queued.type,
        status=CommandStatus.SCHEDULED if state.scheduled else CommandStatus.ACCEPTED,
        stream=queued.stream,
        input=JSON(msgspec.json.decode(queued.data)),
        code=None,
        message=None,
        position=None,
        version=None,
        correlation_id=queued.correlation_id,
        causation_position=_position(queued.causation_position),
        reactor=queued.reactor,
        actor=queued.actor,
        submitted_at=queued.submitted_at,
        not_before=queued.not_before if state.scheduled else None,
        decided_at=None,
        decider_now=None,
        made=None,
        event_types=events,
    )


def ended(outcome: Outcome, events: EventTypes) -> Command:
    """A command that has ended, with its outcome."""
    return Command(
        id=outcome.command_id,
        type=outcome.type,
        status=CommandStatus(outcome.status),
        stream=outcome.stream,
        input=JSON(msgspec.json.decode(outcome.data)),
        code=outcome.code,
        message=outcome.message,
        position=Position(outcome.position),
        version=outcome.version,
        correlation_id=outcome.correlation_id,
        causation_position=_position(outcome.causation_position),
        reactor=outcome.reactor,
        actor=outcome.actor,
        submitted_at=outcome.submitted_at,
        not_before=None,
        decided_at=outcome.decided_at,
        decider_now=outcome.decider_now,
        made=outcome,
        event_types=events,
    )


def _position(value: int | None) -> Position | None:
    return None if value is None else Position(value)
