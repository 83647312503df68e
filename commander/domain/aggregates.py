"""Aggregates: one class gives the three functions of a decider (initial state, decide, evolve).

The pattern is described by Jérémie Chassaing, "Functional Event Sourcing Decider" (2021).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Any
from uuid import UUID

from commander.domain.decisions import CommandContext, events_of
from commander.domain.errors import DefinitionError, InvalidCommand, Problem
from commander.domain.evolving import Evolving, check_evolver, check_initial, check_is_method
from commander.domain.fields import BigInt, ScalarType
from commander.domain.guards import Guard, guards_of
from commander.domain.handlers import Handler, handled_twice, handlers_of
from commander.domain.messages import CommandType, EventType
from commander.domain.naming import GivenNames
from commander.domain.returns import check_returns
from commander.domain.source import where_is
from commander.domain.unique import UniqueRule, unique_rules

Decider = Callable[[Any, Any, Callable[[], CommandContext]], tuple[Any, ...]]

MAX_STREAM_BYTES = 500
"""The longest stream id, in bytes. Postgres limits the size of an index entry, and NATS that of a subject."""

KEY_TYPES = (UUID, str, int, BigInt, date)
"""The types that a key may have. Equal values of these types have the same text."""


@dataclass(frozen=True)
class AggregateType(Evolving):
    """A consistency boundary. Each instance is one stream; the command's field `key` identifies it.

    name, was: see Named. The API shows the name. The streams have the stored name.
    decider_functions: the methods that decide, as the author wrote them. guards: by command, in the order in
    which they run. unique: what no two of its streams have in common.
    """

    name: str
    cls: type
    key: str
    deciders: Mapping[type, Decider]
    evolvers: Mapping[type, Callable[[Any, Any], Any]]
    where: str
    was: tuple[str, ...] = ()
    decider_functions: Mapping[type, Callable[..., Any]] = field(default_factory=dict)
    guards: Mapping[type, tuple[Guard, ...]] = field(default_factory=dict)
    unique: tuple[UniqueRule, ...] = ()

    def decide(self, state: Any, command: Any, context: Callable[[], CommandContext]) -> tuple[Any, ...]:
        """The events that `command` leads to in `state`. Raises Rejected or InvalidDecision.

        The guards of the command come first. context: a function that makes the context. It is called only
        for a decider that takes one.
        """
        own = self.own(state)
        for guard in self.guards.get(type(command), ()):
            guard(own)
        return self.deciders[type(command)](own, command, context)

    def stream_of(self, command: Any) -> str:
        """The id of the stream that the command is decided on: the aggregate's stored name, a dash, the key.

        Raises InvalidCommand if the key makes it longer than MAX_STREAM_BYTES.
        """
        return self.stream_of_key(getattr(command, self.key), self.key)

    def stream_of_key(self, key: Any, field: str) -> str:
        """The id of the stream with this key. field: of the command that has it.

        Raises InvalidCommand, which names the field, as `stream_of`.
        """
        stream = f"{self.stored_name}-{key}"
        if len(stream) > MAX_STREAM_BYTES // 4 and len(stream.encode()) > MAX_STREAM_BYTES:
            limit = MAX_STREAM_BYTES - len(self.stored_name) - 1
            raise InvalidCommand((Problem((field,), f"must have at most {limit} bytes as UTF-8"),))
        return stream


def aggregate_type(
    cls: type,
    key: str,
    commands: Mapping[type, CommandType],
    events: Mapping[type, EventType],
    names: GivenNames,
    unique: Any = (),
) -> AggregateType:
    """Collects and checks the deciders (methods that take a command), evolvers (an event) and guards.

    unique: see unique.py. Raises DefinitionError.
    """
    where = where_is(cls)
    check_initial(cls, where)
    handlers = list(handlers_of(cls))
    evolvers = {h.parameter: h.function for h in handlers if h.parameter in events}
    allowed = {event: events[event] for event in evolvers}
    deciders: dict[type, Decider] = {}
    functions: dict[type, Callable[..., Any]] = {}
    seen: set[Any] = set()
    for handler in handlers:
        label = f"{cls.__name__}.{handler.name}"
        if handler.parameter not in commands and handler.parameter not in events:
            continue
        check_is_method(handler, label)
        if handler.parameter in seen:
            raise DefinitionError(handler.where, f"{label}: {handled_twice(handler.parameter)}")
        seen.add(handler.parameter)
        if handler.parameter in commands:
            check_returns(handler, label, partial(_not_an_event_of, cls, allowed, commands, events))
            check_key(commands[handler.parameter], key, label, handler.where)
            deciders[handler.parameter] = _decider(handler, allowed, label)
            functions[handler.parameter] = handler.function
        else:
            check_evolver(handler, cls, label)
    guards = guards_of(cls, commands)
    rules = unique_rules(cls, unique, names.stored, where)
    return AggregateType(names.name, cls, key, deciders, evolvers, where, names.was, functions, guards, rules)


def _not_an_event_of(
    cls: type,
    allowed: Mapping[type, EventType],
    commands: Mapping[type, CommandType],
    events: Mapping[type, EventType],
    returned: type,
) -> str | None:
    """The problem with a class that a decider is annotated to return; None if there is none."""
    if returned in commands:
        return "a command; a decider returns events"
    if returned in events and returned not in allowed:
        return f"an event that {cls.__name__} does not evolve by: add a method that takes it"
    return "an error: raise it" if issubclass(returned, Exception) else None


def check_key(command: CommandType, key: str, label: str, where: str, advice: str = "") -> None:
    """Raises DefinitionError unless the command's field `key` can be the key of a stream.

    advice: what to do if there is no such field.
    """
    found = next((f for f in command.fields if f.name == key), None)
    if found is None:
        problem = f"{command.name} has no field {key}, the aggregate's key{advice}"
        raise DefinitionError(where, f"{label}: {problem}")
    if found.optional:
        raise DefinitionError(where, f"{label}: the key {command.name}.{key} cannot be None")
    if found.visible_to is not None:
        raise DefinitionError(where, f"{label}: the key {command.name}.{key} cannot be hidden")
    if not (isinstance(found.type, ScalarType) and found.type.python in KEY_TYPES):
        problem = f"the key {command.name}.{key} must be a UUID, str, int, BigInt or date"
        raise DefinitionError(where, f"{label}: {problem}")


def _decider(handler: Handler, allowed: Mapping[type, EventType], label: str) -> Decider:
    decide = handler.function
    match handler.rest:
        case ():
            return lambda state, command, _: events_of(decide(state, command), allowed, label)
        case (context,) if context is CommandContext:
            return lambda state, command, context: events_of(
                decide(state, command, context()), allowed, label
            )
    raise DefinitionError(handler.where, f"{label} must take the command and at most a CommandContext")
