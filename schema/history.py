"""Commands as they stand and as they ended: by id, listed, followed; and dead letters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

import msgspec
import strawberry
from strawberry.scalars import JSON
from strawberry.types import Info

from commander.domain.errors import InvalidRequest
from eventstore.history import CommandFilter
from eventstore.records import Outcome, Status
from resolvers import dead_letters as dead
from resolvers import status as resolving
from schema.context import Context
from schema.events import Event, EventTypes, PageInfo, page_info
from schema.results import CommandAccepted
from schema.types import Position


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
    decided_at: datetime | None
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


async def reactions_to(
    position: int, correlation_id: UUID, context: Context, events: EventTypes
) -> list[Reaction]:
    """The reactions to an event: those that have ended, then those under way."""
    found = await context.batching.reactions.load((position, correlation_id))
    return [Reaction(reactor=one.known.reactor, command=command_of(one, events)) for one in found]


@strawberry.input(name="CommandFilter", description="Which commands: those that match every part given.")
class CommandFilterInput:
    statuses: list[CommandStatus] | None = None
    types: list[str] | None = None
    streams: list[str] | None = None
    correlation_id: UUID | None = None
    actor: str | None = None

    def to_filter(self) -> CommandFilter:
        """Raises InvalidRequest for the status of commands that are not listed."""
        statuses = None
        if self.statuses is not None:
            if {CommandStatus.SCHEDULED, CommandStatus.ACCEPTED} & set(self.statuses):
                problem = "only commands that have ended are listed; ask for a queued one by its id"
                raise InvalidRequest("filter.statuses", problem)
            statuses = frozenset(Status(status.value) for status in self.statuses)
        return CommandFilter(
            statuses=statuses,
            types=None if self.types is None else frozenset(self.types),
            streams=None if self.streams is None else frozenset(self.streams),
            correlation_id=self.correlation_id,
            actor=self.actor,
        )


@strawberry.type
class CommandEdge:
    cursor: str
    node: Command


@strawberry.type
class CommandConnection:
    edges: list[CommandEdge]
    page_info: PageInfo


def history_fields(events: EventTypes) -> tuple[list[Any], list[Any], list[Any]]:
    """The fields of Query, Mutation and Subscription about commands as they stand."""

    async def command(info: Info[Context, None], id: UUID) -> Command:
        return command_of(await resolving.command_by_id(info.context.services, id), events)

    async def commands(
        info: Info[Context, None],
        filter: CommandFilterInput | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> CommandConnection:
        where = (filter or CommandFilterInput()).to_filter()
        page = await resolving.commands_page(info.context.services, first, after, where)
        edges = [CommandEdge(cursor=resolving.cursor_of(o), node=ended(o, events)) for o in page.items]
        return CommandConnection(edges=edges, page_info=page_info(page, [edge.cursor for edge in edges]))

    async def command_status(info: Info[Context, None], command_id: UUID) -> AsyncIterator[Command]:
        async for state in resolving.follow_command(info.context.services, command_id):
            yield command_of(state, events)

    async def dead_letters(info: Info[Context, None], first: int = 100) -> list[Command]:
        found = await dead.dead_letters(info.context.services.database, first)
        return [ended(outcome, events) for outcome in found]

    async def retry_dead_letter(info: Info[Context, None], command_id: UUID) -> CommandAccepted:
        services = info.context.services
        again = await dead.retry(services.database, services.submitter, command_id, info.context.actor)
        return CommandAccepted(command_id=again.command_id)

    async def drop_dead_letter(info: Info[Context, None], command_id: UUID) -> bool:
        await dead.drop(info.context.services.database, command_id, info.context.actor)
        return True

    queries = [
        strawberry.field(command, name="command", description="Where a command stands, by its id."),
        strawberry.field(commands, name="commands", description="Commands that ended, the newest first."),
        strawberry.field(
            dead_letters, name="deadLetters", description="Failed commands not yet dealt with, oldest first."
        ),
    ]
    mutations = [
        strawberry.mutation(
            retry_dead_letter,
            name="retryDeadLetter",
            description="Submit a dead letter again, as a new command; the answer has its id.",
        ),
        strawberry.mutation(
            drop_dead_letter, name="dropDeadLetter", description="Take a dead letter off the list."
        ),
    ]
    subscriptions = [
        strawberry.subscription(
            command_status,
            name="commandStatus",
            description="SCHEDULED, ACCEPTED, how it ended: whichever of these is still to come.",
        )
    ]
    return queries, mutations, subscriptions


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
        made=outcome,
        event_types=events,
    )


def _position(value: int | None) -> Position | None:
    return None if value is None else Position(value)
