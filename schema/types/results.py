"""The union of ways a command can go, as a mutation answers it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

import msgspec
import strawberry
from strawberry.scalars import JSON

from commander.resolvers import results as resolving
from commander.schema.names import camel
from commander.schema.types.events import EventTypes
from commander.schema.types.field_types import Position
from commander.schema.types.records import Event

Stage = strawberry.enum(resolving.Stage, name="PendingStage", description=resolving.Stage.__doc__)


@strawberry.type(description="The command is stored and will be decided.")
class CommandAccepted:
    command_id: UUID


@strawberry.type(description="The command was decided and its events are stored.")
class CommandApplied:
    command_id: UUID
    stream: str
    position: Position = strawberry.field(description="Of its last event.")
    version: int = strawberry.field(description="The stream's, after this command.")
    recorded: strawberry.Private[Callable[[], list[object]]]

    @strawberry.field
    def events(self) -> list[Event]:
        return self.recorded()  # type: ignore[return-value]  # made of the domain's types, and only if asked for


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


@strawberry.type(description="An event that a command would make: its type and its JSON.")
class ProposedEvent:
    type: str
    data: JSON


@strawberry.type(description="With validateOnly: what the command would do now. Nothing was stored.")
class CommandValid:
    command_id: UUID
    stream: str
    version: int = strawberry.field(description="The stream's, after these events.")
    events: list[ProposedEvent]


@strawberry.type(description="The domain's code failed on the command; it is a dead letter.")
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
    | CommandFailed
    | CommandValid,
    strawberry.union("CommandResult", description="How far a command has come, or how it ended."),
]


def result_of(result: resolving.Result, events: EventTypes) -> object:
    """The member of the union CommandResult that says this."""
    match result:
        case resolving.AcceptedResult(command_id):
            return CommandAccepted(command_id=command_id)
        case resolving.AppliedResult(command_id, stream, position, version, recorded):
            return CommandApplied(
                command_id=command_id,
                stream=stream,
                position=Position(position),
                version=version,
                recorded=lambda: [events.of(event) for event in recorded],
            )
        case resolving.RejectedResult(command_id, code, message):
            return CommandRejected(command_id=command_id, code=code, message=message)
        case resolving.FailedResult(command_id, code, message):
            return CommandFailed(command_id=command_id, code=code, message=message)
        case resolving.VersionConflictResult(command_id, expected, current, message):
            return VersionConflict(
                command_id=command_id, expected_version=expected, current_version=current, message=message
            )
        case resolving.PendingResult(command_id, stage, position):
            at = None if position is None else Position(position)
            return CommandPending(command_id=command_id, stage=stage, position=at)
        case resolving.ConflictResult(command_id):
            message = f"the command id {command_id} was used before, for a command of other content"
            return CommandConflict(command_id=command_id, message=message)
        case resolving.ValidResult(command_id, stream, version, proposed):
            made = [ProposedEvent(type=e.type, data=JSON(msgspec.json.decode(e.data))) for e in proposed]
            return CommandValid(command_id=command_id, stream=stream, version=version, events=made)
        case resolving.InvalidResult(command_id, problems):
            told = [InputProblem(path=[camel(p) for p in q.path], message=q.message) for q in problems]
            return CommandInvalid(command_id=command_id, problems=told)
