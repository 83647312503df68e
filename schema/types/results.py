"""The interface CommandOutcome, which a mutation returns, and its members."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import strawberry
from strawberry.scalars import JSON
from strawberry.types import get_object_definition

from commander.domain import Rights
from commander.domain.rights import FORBIDDEN, FORBIDDEN_MESSAGE
from commander.eventstore.records import NewEvent
from commander.resolvers import results as resolving
from commander.resolvers import settling
from commander.resolvers.request_context import operates
from commander.schema.names import camel
from commander.schema.types.changed_rows import ChangedRows, RowType
from commander.schema.types.events import EventTypes
from commander.schema.types.late_projections import ProjectionBehind, projection_behind
from commander.schema.types.records import Command, CommandStatus, Event, command_of
from commander.schema.types.rejection_codes import RejectionCodes
from commander.schema.types.scalars import Position

Stage = strawberry.enum(resolving.Stage, name="PendingStage", description=resolving.Stage.__doc__)


@strawberry.interface(
    description="The outcome of a command, or its progress when the mutation stopped waiting. A field that "
    "several members have has the same type in each of them."
)
class CommandOutcome:
    command_id: UUID
    type: str = strawberry.field(description="The name of the command.")
    stream: str = strawberry.field(description="The name of the stream that the command is decided on.")
    position: Position | None = strawberry.field(
        default=None,
        description="The position of the command's last event, for `atLeast`. Null if it is not applied.",
    )


@strawberry.type(description="The command is stored and will be decided.")
class CommandAccepted(CommandOutcome):
    pass


@strawberry.type(description="What followed from a command, after all of it has ended.")
class Settlement:
    commands: list[Command] = strawberry.field(
        description="The commands that reactors sent. Each stands before those that followed from it."
    )
    rejected: list[Command] = strawberry.field(description="Those that the rules of the domain refused.")
    failed: list[Command] = strawberry.field(
        description="Those that the code of the domain failed on. They are dead letters."
    )
    position: Position = strawberry.field(
        description="The position of the last event of all of this, for `atLeast`."
    )
    truncated: bool = strawberry.field(
        description="More followed than is shown here, or the queue is too long to know: see `lineage`."
    )


@strawberry.type(description="The command was decided and its events are stored.")
class CommandApplied(CommandOutcome):
    version: int = strawberry.field(description="The version of the stream after this command.")
    recorded: strawberry.Private[Callable[[], list[object]]]
    settled: Settlement | None = strawberry.field(
        default=None, description="What followed from the command. Null unless the option is `wait: SETTLED`."
    )

    @strawberry.field
    def events(self) -> list[Event]:
        return self.recorded()  # type: ignore[return-value]  # converted only if the document selects it


@strawberry.type(description="The rules of the domain refused the command. This outcome is final.")
class CommandRejected(CommandOutcome):
    code: str = strawberry.field(description="The code, as the rules of the domain gave it.")
    message: str


@strawberry.type(
    description="The viewer may not send this command. If its rule needs the state of the stream, this "
    "outcome is stored and final. Otherwise nothing was stored."
)
class CommandForbidden(CommandOutcome):
    code: str = strawberry.field(description="Always FORBIDDEN.")
    message: str


@strawberry.type(description="A field of an input that breaks a constraint.")
class InputProblem:
    path: list[str] = strawberry.field(description="The path to the field, from the input down.")
    message: str


@strawberry.type(description="The input breaks a constraint. Nothing was stored.")
class CommandInvalid(CommandOutcome):
    problems: list[InputProblem]


@strawberry.type(
    description="`timeoutMs` has passed, or a projection has stopped. The command continues. Ask again with "
    "command(commandId:)."
)
class CommandPending(CommandOutcome):
    stage: resolving.Stage
    behind: list[ProjectionBehind] = strawberry.field(
        description="The projections that do not show the events yet. Empty until it is decided."
    )


@strawberry.type(description="The command id was used before, with other content or by another sender.")
class CommandConflict(CommandOutcome):
    message: str


@strawberry.type(description="The stream is not at the expected version. No event was stored.")
class VersionConflict(CommandOutcome):
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
class CommandValid(CommandOutcome):
    version: int = strawberry.field(description="The version that the stream would have after these events.")
    events: list[ProposedEvent]


@strawberry.type(description="The code of the domain failed on the command. It is a dead letter.")
class CommandFailed(CommandOutcome):
    code: str
    message: str


class Subject(NamedTuple):
    """The command that an outcome is of. type: its present name."""

    command_id: UUID
    type: str
    stream: str


class OutcomeTypes:
    """The members of CommandOutcome for one schema."""

    def __init__(self, events: EventTypes, codes: RejectionCodes, rows: Iterable[RowType] = ()) -> None:
        self._events = events
        self._codes = codes
        taken = [camel(one.python_name) for one in get_object_definition(CommandApplied, strict=True).fields]
        self.rows = ChangedRows(list(rows), taken)
        self._applied = _with(CommandApplied, self.rows.namespace)
        self._rejected = _with(CommandRejected, codes.namespace)

    @property
    def classes(self) -> list[Any]:
        return [
            CommandAccepted,
            self._applied,
            self._rejected,
            CommandForbidden,
            CommandInvalid,
            CommandPending,
            CommandConflict,
            VersionConflict,
            CommandFailed,
            CommandValid,
        ]

    def of(self, result: resolving.Result, subject: Subject, rights: Rights | None = None) -> CommandOutcome:
        """The member for a result. rights: those of the sender, who sees the events of its own command."""
        command_id, type_, stream = subject
        match result:
            case resolving.AcceptedResult():
                return CommandAccepted(command_id=command_id, type=type_, stream=stream)
            case resolving.AppliedResult(_, _, position, version, recorded, settlement):
                applied: CommandOutcome = self._applied(
                    command_id=command_id,
                    type=type_,
                    stream=stream,
                    position=Position(position),
                    version=version,
                    recorded=lambda: [self._events.of(event, rights) for event in recorded],
                    settled=None if settlement is None else self._settled(settlement, rights),
                )
                return applied
            case resolving.RejectedResult(_, code, message):
                rejected: CommandOutcome = self._rejected(
                    command_id=command_id,
                    type=type_,
                    stream=stream,
                    code=code,
                    message=message,
                    **self._codes.shown(type_, code),
                )
                return rejected
            case resolving.ForbiddenResult():
                return CommandForbidden(
                    command_id=command_id,
                    type=type_,
                    stream=stream,
                    code=FORBIDDEN,
                    message=FORBIDDEN_MESSAGE,
                )
            case resolving.FailedResult(_, code, message):
                return CommandFailed(
                    command_id=command_id, type=type_, stream=stream, code=code, message=message
                )
            case resolving.VersionConflictResult(_, expected, current, message):
                return VersionConflict(
                    command_id=command_id,
                    type=type_,
                    stream=stream,
                    expected_version=expected,
                    current_version=current,
                    message=message,
                )
            case resolving.PendingResult(_, stage, at, late):
                return CommandPending(
                    command_id=command_id,
                    type=type_,
                    stream=stream,
                    stage=stage,
                    position=None if at is None else Position(at),
                    behind=[projection_behind(one, operates(rights)) for one in late],
                )
            case resolving.ConflictResult():
                message = f"the command id {command_id} was used before with other content; use a new id"
                return CommandConflict(command_id=command_id, type=type_, stream=stream, message=message)
            case resolving.ValidResult(_, _, version, proposed):
                made = [
                    ProposedEvent(type=self._events.type_name(e.type), data=self._proposed(e, rights))
                    for e in proposed
                ]
                return CommandValid(
                    command_id=command_id, type=type_, stream=stream, version=version, events=made
                )
            case resolving.InvalidResult(_, problems):
                shown = [InputProblem(path=[camel(p) for p in q.path], message=q.message) for q in problems]
                return CommandInvalid(command_id=command_id, type=type_, stream=stream, problems=shown)

    def _proposed(self, event: NewEvent, rights: Rights | None) -> JSON:
        data, type_ = msgspec.json.decode(event.data), self._events.domain.event_type(event.type)
        if rights is not None and type_ is not None:
            data |= dict.fromkeys(rights.hidden(type_))
        return JSON(data)

    def _settled(self, found: settling.Settlement, rights: Rights | None) -> Settlement:
        commands = [command_of(state, self._events, rights) for state in found.commands]
        return Settlement(
            commands=commands,
            rejected=[one for one in commands if one.status is CommandStatus.REJECTED],
            failed=[one for one in commands if one.status is CommandStatus.FAILED],
            position=Position(found.position),
            truncated=found.truncated,
        )


def _with(member: type, namespace: dict[str, Any]) -> Any:
    """A member with further fields."""
    description = get_object_definition(member, strict=True).description
    made = type(member.__name__, (member,), {"__module__": __name__, **namespace})
    return strawberry.type(made, name=member.__name__, description=description)
