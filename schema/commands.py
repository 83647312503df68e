"""A mutation per command: its input, the options, and the union of ways a command can go."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

import msgspec
import strawberry
from strawberry.scalars import JSON
from strawberry.types import Info

from commander.domain import CommandType
from commander.domain.fields import derived_ids
from eventstore.records import Status
from resolvers import commands as resolving
from schema.context import Context
from schema.events import Event, EventTypes
from schema.names import camel, uncapitalized
from schema.types import Position, TypeMap, to_domain

Wait = strawberry.enum(resolving.Wait, description=resolving.Wait.__doc__)
Stage = strawberry.enum(resolving.Stage, name="PendingStage", description=resolving.Stage.__doc__)
CommandStatus = strawberry.enum(Status, name="CommandStatus", description=Status.__doc__)


@strawberry.input(description="How a command is submitted and waited for; all may be left out.")
class CommandOptions:
    wait: resolving.Wait = resolving.Wait.APPLIED
    timeout_ms: int = strawberry.field(default=5000, description="How long to wait, in milliseconds.")
    command_id: UUID | None = strawberry.field(
        default=None, description="Your id for the command. Sending it again gives the first outcome."
    )
    expected_version: int | None = strawberry.field(
        default=None, description="Decide only if the stream is at this version; 0 is a new stream."
    )
    correlation_id: UUID | None = strawberry.field(
        default=None, description="Carried by all that follows from this command; its own id by default."
    )


@strawberry.type(description="The command is stored and will be decided.")
class CommandAccepted:
    command_id: UUID


@strawberry.type(description="The command was decided and its events are stored.")
class CommandApplied:
    command_id: UUID
    stream: str
    position: Position = strawberry.field(description="Of its last event.")
    version: int = strawberry.field(description="The stream's, after this command.")
    events: list[Event]


@strawberry.type(description="The domain's rules say no; this outcome is final.")
class CommandRejected:
    command_id: UUID
    code: str
    message: str


@strawberry.type
class InputProblem:
    path: list[str] = strawberry.field(description="The input's field, from the outside in.")
    message: str


@strawberry.type(description="The input breaks a constraint; nothing was stored.")
class CommandInvalid:
    command_id: UUID
    problems: list[InputProblem]


@strawberry.type(description="The time was up; the command goes on. Ask again by command(id:).")
class CommandPending:
    command_id: UUID
    stage: resolving.Stage
    position: Position | None


@strawberry.type(description="This command id was used before, with other content.")
class CommandConflict:
    command_id: UUID
    message: str


@strawberry.type(description="The stream is not at the version that was expected; nothing was changed.")
class VersionConflict:
    command_id: UUID
    expected_version: int | None
    current_version: int
    message: str


@strawberry.type(description="The domain's code failed on the command.")
class CommandFailed:
    command_id: UUID
    code: str
    message: str


CommandResult = Annotated[
    CommandAccepted
    | CommandApplied
    | CommandRejected
    | CommandInvalid
    | CommandPending
    | CommandConflict
    | VersionConflict
    | CommandFailed,
    strawberry.union("CommandResult", description="How far a command has come, or how it ended."),
]


@strawberry.type(description="A command that has ended, with all that is known of it.")
class Command:
    id: UUID
    type: str
    status: Status
    stream: str
    input: JSON = strawberry.field(description="The command as it was submitted.")
    code: str | None
    message: str | None
    position: Position
    version: int
    correlation_id: UUID
    causation_position: Position | None
    reactor: str | None = strawberry.field(description="The reactor that sent it, if one did.")
    actor: str | None
    submitted_at: datetime
    decided_at: datetime
    events: list[Event]


def command_mutation(type_: CommandType, types: TypeMap, events: EventTypes) -> Any:
    """The mutation of a command: its name in the imperative, its input typed, its docstring in the docs."""
    input_type = types.object_type(f"{type_.name}Input", type_.fields, is_input=True, description=type_.doc)

    async def resolve(info: Info[Context, None], input: Any, options: CommandOptions | None = None) -> object:
        given = options or CommandOptions()
        command_id = given.command_id or uuid4()
        command = to_domain(type_.fields, type_.cls, input, derived_ids(type_.fields, command_id))
        result = await resolving.submit(info.context.services, command, _options(given, command_id))
        return result_of(result, events)

    resolve.__annotations__ |= {"input": input_type, "return": CommandResult}
    return strawberry.mutation(resolve, name=uncapitalized(type_.name), description=type_.doc or None)


def _options(given: CommandOptions, command_id: UUID) -> resolving.Options:
    return resolving.Options(
        command_id=command_id,
        given_id=given.command_id is not None,
        correlation_id=given.correlation_id,
        wait=given.wait,
        timeout_ms=given.timeout_ms,
        expected_version=given.expected_version,
    )


def result_of(result: resolving.Result, events: EventTypes) -> object:
    """The member of the union CommandResult that says this."""
    match result:
        case resolving.Accepted(command_id):
            return CommandAccepted(command_id=command_id)
        case resolving.Applied(command_id, stream, position, version, recorded):
            return CommandApplied(
                command_id=command_id,
                stream=stream,
                position=Position(position),
                version=version,
                events=[events.of(event) for event in recorded],
            )
        case resolving.Refused(command_id, code, message):
            return CommandRejected(command_id=command_id, code=code, message=message)
        case resolving.Failed(command_id, code, message):
            return CommandFailed(command_id=command_id, code=code, message=message)
        case resolving.WrongVersion(command_id, expected, current, message):
            return VersionConflict(
                command_id=command_id, expected_version=expected, current_version=current, message=message
            )
        case resolving.Pending(command_id, stage, position):
            at = None if position is None else Position(position)
            return CommandPending(command_id=command_id, stage=stage, position=at)
        case resolving.Conflict(command_id):
            message = f"the command id {command_id} was used before, for a command of other content"
            return CommandConflict(command_id=command_id, message=message)
        case resolving.Invalid(command_id, problems):
            told = [InputProblem(path=[camel(p) for p in q.path], message=q.message) for q in problems]
            return CommandInvalid(command_id=command_id, problems=told)


def command_query(events: EventTypes) -> Any:
    """Query.command: one command by its id."""

    async def command(info: Info[Context, None], id: UUID) -> Command:
        outcome, made = await resolving.command_by_id(info.context.services, id)
        causation = outcome.causation_position
        return Command(
            id=outcome.command_id,
            type=outcome.type,
            status=Status(outcome.status),
            stream=outcome.stream,
            input=JSON(msgspec.json.decode(outcome.data)),
            code=outcome.code,
            message=outcome.message,
            position=Position(outcome.position),
            version=outcome.version,
            correlation_id=outcome.correlation_id,
            causation_position=None if causation is None else Position(causation),
            reactor=outcome.reactor,
            actor=outcome.actor,
            submitted_at=outcome.submitted_at,
            decided_at=outcome.decided_at,
            events=[events.of(event) for event in made],
        )

    return strawberry.field(command, name="command", description="How a command ended, by its id.")
