"""The mutations: one per command, `submit` for many commands, and `cancelCommand`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry
from strawberry.types import Info, get_object_definition

from commander.domain import AggregateType, CommandType, Domain
from commander.domain.aggregates import MAX_STREAM_BYTES
from commander.domain.errors import InvalidRequest
from commander.domain.fields import derived_ids
from commander.resolvers import commands as resolving
from commander.resolvers import ending
from commander.resolvers.commands import Wait
from commander.resolvers.results import AppliedResult, Result
from commander.resolvers.results import result_of as as_ended
from commander.resolvers.status import command_by_id
from commander.schema.context import Context
from commander.schema.names import camel, uncapitalized
from commander.schema.types.direct_field import DirectField, Given
from commander.schema.types.events import EventTypes
from commander.schema.types.field_types import TypeMap, to_domain
from commander.schema.types.results import CommandOutcome, OutcomeTypes, Subject
from commander.streaming.commands.assembling import client_command_id
from commander.streaming.tracing import SpanKind, span

strawberry.enum(Wait, description=Wait.__doc__)

_OPTIONS = {
    camel(name): name
    for name in ("wait", "timeout_ms", "expected_version", "correlation_id", "validate_only", "not_before")
}

_NOT_BEFORE = "The time to decide the command at. The mutation returns CommandAccepted at once."


@strawberry.input(
    description="How a command is submitted, and how long the mutation waits. All fields are optional."
)
class CommandOptions:
    wait: Wait = Wait.APPLIED
    timeout_ms: int = strawberry.field(default=5000, description="The longest wait, in milliseconds.")
    command_id: UUID | None = strawberry.field(
        default=None, description="An id of yours. The same id again returns the first outcome."
    )
    expected_version: int | None = strawberry.field(
        default=None, description="The version that the stream must have. 0 means a new stream."
    )
    correlation_id: UUID | None = strawberry.field(
        default=None, description="An id that all events that follow carry. By default the id of the command."
    )
    validate_only: bool = strawberry.field(
        default=False,
        description="A dry run: return the events that the command would make, and store nothing.",
    )
    not_before: datetime | None = strawberry.field(default=None, description=_NOT_BEFORE)


@strawberry.input(
    description="How `submit` submits its commands, and how long it waits. All fields are optional."
)
class SubmitOptions:
    wait: Wait = Wait.APPLIED
    timeout_ms: int = strawberry.field(default=5000, description="The longest wait, in milliseconds.")
    command_ids: list[UUID] | None = strawberry.field(
        default=None, description="Ids of yours, one for each command, in the same order."
    )
    correlation_id: UUID | None = None
    validate_only: bool = strawberry.field(
        default=False,
        description="A dry run: return the events that each command would make alone, and store nothing.",
    )
    not_before: datetime | None = strawberry.field(default=None, description=_NOT_BEFORE)


@dataclasses.dataclass(frozen=True)
class OptionTypes:
    """The input types of options, for one schema."""

    command: Any
    submit: Any


def option_types(projections: Any | None) -> OptionTypes:
    """projections: the enum of the domain's projections; None if it has none."""
    return OptionTypes(*(_with_projections(one, projections) for one in (CommandOptions, SubmitOptions)))


def _with_projections(options: type, projections: Any | None) -> Any:
    if projections is None:
        return options
    chosen = strawberry.field(
        default=None,
        description="Which projections PROJECTED and SETTLED wait for, of those that show the events. "
        "By default all.",
    )
    namespace = {
        "__annotations__": {"projections": list[projections] | None},  # type: ignore[valid-type]
        "__module__": __name__,
        "projections": chosen,
    }
    description = get_object_definition(options, strict=True).description
    made = type(options.__name__, (options,), namespace)
    return strawberry.input(made, name=options.__name__, description=description)


@dataclasses.dataclass(frozen=True)
class CommandInput:
    """A command and its GraphQL input type."""

    type: CommandType
    aggregate: AggregateType
    python: Any

    @property
    def field(self) -> str:
        return uncapitalized(self.type.name)

    def command(self, given: Mapping[str, Any], command_id: UUID) -> Any:
        """The domain's command for an input. Ids that the input omits are derived from the command's id."""
        fields = self.type.fields
        return to_domain(fields, self.type.cls, given, derived_ids(fields, command_id))

    def subject(self, command: Any, command_id: UUID, result: Result) -> Subject:
        """The name of the stream is readable even if the command's key cannot be stored."""
        if isinstance(result, AppliedResult):
            return Subject(command_id, self.type.name, result.stream)
        stream = f"{self.aggregate.stored_name}-{getattr(command, self.aggregate.key)}"[:MAX_STREAM_BYTES]
        if not stream.isascii():
            stream = stream.encode("utf-8", "replace").decode()
        return Subject(command_id, self.type.name, stream)


def command_inputs(domain: Domain, types: TypeMap) -> list[CommandInput]:
    """Of the commands that clients can send."""
    return [
        CommandInput(
            c,
            domain.aggregate_of_command(c.name),
            types.object_type(f"{c.name}Input", c.fields, where=c.where, is_input=True, description=c.doc),
        )
        for c in domain.commands.values()
        if not c.internal
    ]


def command_mutation(made: CommandInput, outcomes: OutcomeTypes, options: OptionTypes) -> DirectField:
    """The mutation of a command. It has the name of the command, a typed input, and the docstring as its
    description.
    """

    def declared(input: Any, options: Any = None) -> object: ...

    given_types = {"input": made.python, "options": options.command | None}
    declared.__annotations__ |= {**given_types, "return": CommandOutcome}

    async def resolve(context: Context, input: Given, options: Given | None = None) -> object:
        given = options or {}
        given_id = given.get("commandId")
        command_id = given_id or client_command_id(context.services.now())
        command = made.command(input, command_id)
        with span(f"mutation {made.field}", context.traceparent, SpanKind.SERVER) as traceparent:
            result = await resolving.submit(
                context.services,
                command,
                _options(
                    given,
                    command_id,
                    given_id is not None,
                    context,
                    traceparent,
                    input,
                    outcomes.rows.projections(context.parts_of_outcomes),
                ),
            )
        return outcomes.of(result, made.subject(command, command_id, result), context.rights)

    description = made.type.doc or None
    return DirectField(
        strawberry.mutation(
            declared, name=made.field, description=description, deprecation_reason=made.type.deprecated
        ),
        resolve,
    )


def submit_mutation(
    inputs: Sequence[CommandInput], outcomes: OutcomeTypes, option_types: OptionTypes
) -> DirectField:
    """Mutation.submit: many commands at once. Each item is an AnyCommand with exactly one field."""
    by_field = {made.field: made for made in inputs}
    names = {f"{field}_": field for field in by_field}  # with _, because a command can be named Return
    namespace = {
        "__annotations__": {name: by_field[field].python | None for name, field in names.items()},
        "__module__": __name__,
        **{
            name: strawberry.field(
                name=field, default=strawberry.UNSET, deprecation_reason=by_field[field].type.deprecated
            )
            for name, field in names.items()
        },
    }
    any_command = strawberry.input(
        type("AnyCommand", (), namespace), one_of=True, description="One command. Give exactly one field."
    )

    def declared(commands: Any, options: Any = None) -> object: ...

    given_types = {"commands": list[any_command], "options": option_types.submit | None}  # type: ignore[valid-type]
    declared.__annotations__ |= {**given_types, "return": list[CommandOutcome]}

    async def resolve(
        context: Context, commands: Sequence[Given], options: Given | None = None
    ) -> list[object]:
        given = options or {}
        ids = given.get("commandIds")
        if ids is not None and (len(ids) != len(commands) or len(set(ids)) != len(ids)):
            problem = f"must be {len(commands)} different ids, one for each command"
            raise InvalidRequest("options.commandIds", problem)
        with span("mutation submit", context.traceparent, SpanKind.SERVER) as traceparent:
            return await submitted(context, commands, given, ids, traceparent)

    async def submitted(
        context: Context,
        commands: Sequence[Given],
        given: Given,
        ids: Sequence[UUID] | None,
        traceparent: str | None,
    ) -> list[object]:
        items: list[tuple[Any, resolving.Options]] = []
        makers: list[CommandInput] = []
        rows = outcomes.rows.projections(context.parts_of_outcomes)
        for index, one in enumerate(commands):
            [(field, input)] = one.items()
            command_id = client_command_id(context.services.now()) if ids is None else ids[index]
            command = by_field[field].command(input, command_id)
            options = _options(given, command_id, ids is not None, context, traceparent, input, rows)
            items.append((command, options))
            makers.append(by_field[field])
        results = await resolving.submit_all(context.services, items)
        return [
            outcomes.of(result, made.subject(command, options.command_id, result), context.rights)
            for result, made, (command, options) in zip(results, makers, items, strict=True)
        ]

    description = "Submit many commands, in order. Each command has its own result."
    return DirectField(strawberry.mutation(declared, name="submit", description=description), resolve)


def cancel_mutation(events: EventTypes, outcomes: OutcomeTypes) -> Any:
    """Mutation.cancelCommand."""

    async def cancel_command(info: Info[Context, None], command_id: UUID) -> object:
        services = info.context.services
        ended = await ending.cancel(info.context, command_id)
        state = await command_by_id(services, command_id, info.context.rights)
        subject = Subject(command_id, events.command_name(state.known.type), ended.stream)
        return outcomes.of(as_ended(ended), subject, info.context.rights)

    cancel_command.__annotations__ |= {"return": CommandOutcome}
    description = (
        "Cancel a queued or scheduled command. Returns CommandRejected with the code CANCELLED, or the "
        "outcome that the command already has."
    )
    return strawberry.mutation(cancel_command, name="cancelCommand", description=description)


def _options(
    given: Given,
    command_id: UUID,
    given_id: bool,
    context: Context,
    traceparent: str | None,
    input: Given,
    rows: frozenset[str],
) -> resolving.Options:
    """The Options for an input CommandOptions or SubmitOptions. All three have the same defaults."""
    named = {_OPTIONS[name]: value for name, value in given.items() if name in _OPTIONS}
    if (chosen := given.get("projections")) is not None:
        named["projections"] = frozenset(one.value for one in chosen)
    return resolving.Options(
        command_id,
        given_id,
        actor=context.actor,
        traceparent=traceparent,
        given=input,
        rows=rows,
        rights=context.rights,
        **named,
    )
