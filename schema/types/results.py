"""The union CommandResult, which a mutation returns."""

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
from commander.schema.types.late_projections import ProjectionBehind, projection_behind
from commander.schema.types.records import Event
from commander.schema.types.scalars import Position

Stage = strawberry.enum(resolving.Stage, name="PendingStage", description=resolving.Stage.__doc__)


@strawberry.type(description="The command is stored and will be decided.")
class CommandAccepted:
    command_id: UUID


@strawberry.type(description="The command was decided and its events are stored.")
class CommandApplied:
    command_id: UUID
    stream: str
    position: Position = strawberry.field(description="The position of the command's last event.")
    version: int = strawberry.field(description="The version of the stream after this command.")
    recorded: strawberry.Private[Callable[[], list[object]]]

    @strawberry.field
    def events(self) -> list[Event]:
        return self.recorded()  # type: ignore[return-value]  # converted only if the document selects it


@strawberry.type(description="The rules of the domain refused the command. This outcome is final.")
class CommandRejected:
    command_id: UUID
    code: str
    message: str


@strawberry.type
class InputProblem:
    path: list[str] = strawberry.field(description="The path to the field, from the input down.")
    message: str


@strawberry.type(description="The input breaks a constraint. Nothing was stored.")
class CommandInvalid:
    command_id: UUID
    problems: list[InputProblem]


@strawberry.type(
    description="`timeoutMs` has passed, or a projection has stopped. The command continues. Ask again with "
    "command(commandId:)."
)
class CommandPending:
    command_id: UUID
    stage: resolving.Stage
    position: Position | None
    behind: list[ProjectionBehind] = strawberry.field(
        description="The projections that do not show the events yet. Empty until it is decided."
    )


@strawberry.type(description="The command id was used before with other content.")
class CommandConflict:
    command_id: UUID
    message: str


@strawberry.type(description="The stream is not at the expected version. No event was stored.")
class VersionConflict:
    command_id: UUID
    expected_version: int | None
    current_version: int
    message: str


@strawberry.type(description="An event that a command would make: its type, and its content as JSON.")
class ProposedEvent:
    type: str
    data: JSON


@strawberry.type(
    description="The result of a dry run: the events that the command would make now. Nothing was stored."
)
class CommandValid:
    command_id: UUID
    stream: str
    version: int = strawberry.field(description="The version that the stream would have after these events.")
    events: list[ProposedEvent]


@strawberry.type(description="The code of the domain failed on the command. It is a dead letter.")
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
    strawberry.union(
        "CommandResult",
        description="The result of a command, or its progress when the mutation stopped waiting.",
    ),
]


def result_of(result: resolving.Result, events: EventTypes) -> object:
    """The member of the union CommandResult for a result."""
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
        case resolving.PendingResult(command_id, stage, position, late):
            at = None if position is None else Position(position)
            behind = [projection_behind(one) for one in late]
            return CommandPending(command_id=command_id, stage=stage, position=at, behind=behind)
        case resolving.ConflictResult(command_id):
            message = f"the command id {command_id} was used before with other content; use a new id"
            return CommandConflict(command_id=command_id, message=message)
        case resolving.ValidResult(command_id, stream, version, proposed):
            made = [
                ProposedEvent(type=events.type_name(e.type), data=JSON(msgspec.json.decode(e.data)))
                for e in proposed
            ]
            return CommandValid(command_id=command_id, stream=stream, version=version, events=made)
        case resolving.InvalidResult(command_id, problems):
            shown = [InputProblem(path=[camel(p) for p in q.path], message=q.message) for q in problems]
            return CommandInvalid(command_id=command_id, problems=shown)
