"""The types that refer to one another: an event, its command, and the reactions to it."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any, Protocol
from uuid import UUID

import strawberry
from strawberry.scalars import JSON
from strawberry.types import Info

from commander.domain import Rights
from commander.eventstore.records import Outcome, RecordedEvent
from commander.resolvers import dead_letters as dead
from commander.resolvers import status as resolving
from commander.resolvers.node_ids import command_id, event_id
from commander.resolvers.read_your_writes import late
from commander.resolvers.visible_events import sees_command
from commander.schema.context import Context
from commander.schema.types.late_projections import ProjectionBehind, projection_behind
from commander.schema.types.scalars import Position
from commander.streaming.commands.pending_by_correlation import MAX_MESSAGES


class EventTypes(Protocol):
    """Converts a stored event to an instance of its GraphQL type; see events.py."""

    def of(self, recorded: RecordedEvent, rights: Rights | None = None) -> Event: ...

    def command_name(self, stored: str) -> str: ...

    def command_input(self, stored: str, data: str | bytes, rights: Rights | None) -> Any: ...


NODE_ID = "The id of the object for `node(id:)`: unique over all types, always the same, and not to be read."


@strawberry.interface(description="An object that `node(id:)` finds by its id: a row, a command or an event.")
class Node:
    id: strawberry.ID = strawberry.field(description=NODE_ID)


def _log_epoch(root: FeedItem, info: Info[Context, None]) -> int:
    return info.context.epochs.at(root.position)


@strawberry.interface(
    description="An item of the subscription `events`: an event, CaughtUp, Heartbeat or StandsStill."
)
class FeedItem:
    position: Position = strawberry.field(
        description="The position in the log. To resume a subscription, give it as `after`."
    )
    log_epoch: int = strawberry.field(
        resolver=_log_epoch,
        description="The epoch of the log that the position belongs to. A new one begins when the log was "
        "set back. To resume a subscription, give it as `logEpoch`.",
    )


async def _reactions(root: Event, info: Info[Context, None]) -> list[Reaction]:
    found = await info.context.batching.reactions.load((root.position, root.correlation_id))
    types, rights = root._types, info.context.rights
    return [Reaction(reactor=one.known.reactor, command=command_of(one, types, rights)) for one in found]


def _event_id(root: Event, info: Info[Context, None]) -> strawberry.ID:
    return strawberry.ID(event_id(root.position, info.context.epochs))


@strawberry.interface(description="A fact that was decided and stored. It never changes.")
class Event(FeedItem, Node):
    _types: strawberry.Private[EventTypes]
    id: strawberry.ID = strawberry.field(resolver=_event_id, description=NODE_ID)
    stream: str = strawberry.field(
        description="The name of its stream. The name never changes, even if the aggregate is renamed."
    )
    version: int = strawberry.field(description="The number of the event in its stream, from 1.")
    aggregate: str
    type: str
    schema_version: int
    recorded_at: datetime
    command_id: UUID = strawberry.field(description="The id of the command that made the event.")
    correlation_id: UUID = strawberry.field(
        description="An id that a client's command and all that follows from it share."
    )
    causation_position: Position | None = strawberry.field(
        description="If a reactor sent the command: the position of the event that it reacted to."
    )
    reactions: list[Reaction] = strawberry.field(
        resolver=_reactions,
        description="The commands that reactors sent because of this event, at most 500: first those that "
        f"have ended, then the queued ones (of the first {MAX_MESSAGES} messages of the queue), then the "
        "scheduled ones. Not available in the subscription `events`, which sends an event before "
        "reactors see it: use the subscription `lineage`.",
    )


@strawberry.enum(description="How far a command has come.")
class CommandStatus(Enum):
    SCHEDULED = "SCHEDULED"
    """It waits for its time."""
    ACCEPTED = "ACCEPTED"
    """It is stored, and not decided yet."""
    APPLIED = "APPLIED"
    """It was decided, and its events are stored."""
    REJECTED = "REJECTED"
    """The rules of the domain refused it."""
    FAILED = "FAILED"
    """The code of the domain failed on it."""


async def _events_made(root: Command, info: Info[Context, None]) -> list[Event]:
    if root.made is None:
        return []
    found = await info.context.batching.events.load(root.made)
    return [root.event_types.of(event, info.context.rights) for event in found]


async def _behind(root: Command, info: Info[Context, None]) -> list[ProjectionBehind]:
    if root.made is None:
        return []
    found = await late(info.context.services, await info.context.batching.events.load(root.made))
    return [projection_behind(one) for one in found]


@strawberry.enum(description="An action on a dead letter or on a failed call of an effect.")
class DeadLetterDeed(Enum):
    RETRIED = "RETRIED"
    """It was tried again."""
    DROPPED = "DROPPED"
    """It was removed from the list."""


@strawberry.type(description="A retry or drop of a dead letter: who did it, and when.")
class DeadLetterAction:
    deed: DeadLetterDeed
    retried_as: UUID | None = strawberry.field(description="The id of the new command, if it was retried.")
    actor: str | None
    at: datetime


async def _dead_letter_action(root: Command, info: Info[Context, None]) -> DeadLetterAction | None:
    if root.status is not CommandStatus.FAILED or not root.seen:
        return None
    found = await dead.action_on(info.context.services.database, root.command_id)
    if found is None:
        return None
    return DeadLetterAction(
        deed=DeadLetterDeed(found.action), retried_as=found.retried_as, actor=found.actor, at=found.at
    )


def _command_node_id(root: Command) -> strawberry.ID:
    return strawberry.ID(command_id(root.command_id))


@strawberry.type(
    description="A command and its outcome. The fields of the outcome are null until it is decided."
)
class Command(Node):
    id: strawberry.ID = strawberry.field(resolver=_command_node_id, description=NODE_ID)
    command_id: UUID = strawberry.field(description="The id that the client gave, or that was made for it.")
    type: str
    status: CommandStatus
    stream: str
    input: JSON | None = strawberry.field(
        description="The command as JSON, in the form of its input type. As it is stored if this code cannot "
        "read it. Null for those who may not see it: it is for its sender and for operators. Its fields that "
        "have roles are null for viewers without them."
    )
    code: str | None = strawberry.field(description="Null for those who may not see it.")
    message: str | None = strawberry.field(description="Null for those who may not see it.")
    position: Position | None = strawberry.field(description="The position of the command's last event.")
    version: int | None = strawberry.field(description="The version of the stream after this command.")
    correlation_id: UUID
    causation_position: Position | None = strawberry.field(
        description="If a reactor sent it: the position of the event that it reacted to."
    )
    reactor: str | None = strawberry.field(description="The reactor that sent it. Null if a client did.")
    actor: str | None
    submitted_at: datetime
    not_before: datetime | None = strawberry.field(
        description="The time of a scheduled command. Null once it is due."
    )
    decided_at: datetime | None = strawberry.field(description="The time at which the outcome was stored.")
    decider_now: datetime | None = strawberry.field(
        description="The value of `now` that the decider got, in microseconds. The same decision can be "
        "repeated with it. Null if no decider ran: cancelled, version conflict, failed before the decision."
    )
    made: strawberry.Private[Outcome | None]
    event_types: strawberry.Private[EventTypes]
    seen: strawberry.Private[bool]
    """Whether the viewer may see what it says."""
    events: list[Event] = strawberry.field(
        resolver=_events_made, description="The events that the command made."
    )
    behind: list[ProjectionBehind] = strawberry.field(
        resolver=_behind,
        description="The projections that do not show its events yet, and why. Empty until it is decided.",
    )
    dead_letter_action: DeadLetterAction | None = strawberry.field(
        resolver=_dead_letter_action,
        description="The retry or drop of a failed command. Null if there was none, and for those who may "
        "not see it.",
    )


@strawberry.type(description="A command that was sent because of an event.")
class Reaction:
    reactor: str | None = strawberry.field(description="The reactor that sent it.")
    command: Command


def command_of(state: resolving.CommandState, events: EventTypes, rights: Rights | None) -> Command:
    """The GraphQL type of a command, pending or ended. For those who may not see it, without what it says."""
    if state.outcome is not None:
        return ended(state.outcome, events, rights)
    queued = state.submitted
    assert queued is not None, "a state has an outcome or a submitted command"
    seen = sees_command(rights, queued)
    return Command(
        command_id=queued.command_id,
        type=events.command_name(queued.type),
        status=CommandStatus.SCHEDULED if state.scheduled else CommandStatus.ACCEPTED,
        stream=queued.stream,
        input=JSON(events.command_input(queued.type, queued.data, rights)) if seen else None,
        code=None,
        message=None,
        position=None,
        version=None,
        correlation_id=queued.correlation_id,
        causation_position=_position(queued.causation_position),
        reactor=queued.reactor,
        actor=queued.actor if seen else None,
        submitted_at=queued.submitted_at,
        not_before=queued.not_before if state.scheduled else None,
        decided_at=None,
        decider_now=None,
        made=None,
        event_types=events,
        seen=seen,
    )


def ended(outcome: Outcome, events: EventTypes, rights: Rights | None) -> Command:
    """The GraphQL type of a command that has an outcome, see `command_of`."""
    seen = sees_command(rights, outcome)
    return Command(
        command_id=outcome.command_id,
        type=events.command_name(outcome.type),
        status=CommandStatus(outcome.status),
        stream=outcome.stream,
        input=JSON(events.command_input(outcome.type, outcome.data, rights)) if seen else None,
        code=outcome.code if seen or outcome.reactor is not None else None,
        message=outcome.message if seen else None,
        position=Position(outcome.position),
        version=outcome.version,
        correlation_id=outcome.correlation_id,
        causation_position=_position(outcome.causation_position),
        reactor=outcome.reactor,
        actor=outcome.actor if seen else None,
        submitted_at=outcome.submitted_at,
        not_before=None,
        decided_at=outcome.decided_at,
        decider_now=outcome.decider_now,
        made=outcome,
        event_types=events,
        seen=seen,
    )


def _position(value: int | None) -> Position | None:
    return None if value is None else Position(value)
