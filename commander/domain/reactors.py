"""Reactors: they turn an event in the log into new commands.

A reactor without a key has no state. A reactor with a key has a state, its fields, for each value of the key.
A process is a reactor with a key whose states begin and end with declared events:

    (none) ─ one of starts ─► running ─ one of ends ─► (none)
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Generic, TypeVar

import msgspec

from commander.domain.aggregates import KEY_TYPES
from commander.domain.defaults import check_defaults_of_state
from commander.domain.errors import DefinitionError, InvalidDecision
from commander.domain.fields import ScalarType
from commander.domain.handlers import Handler, handled_twice, handlers_of
from commander.domain.messages import CommandType, EventType, docstring, frozen_dataclass
from commander.domain.reactions import Begins, Reaction, answered
from commander.domain.returns import check_returns
from commander.domain.source import running, where_is

C = TypeVar("C")
React = Callable[[Any, Any], Any]
"""A handler: a function from the reactor (its state) and the trigger to the result."""

_TAKES = "an event of the domain or a ReactionRejected[a command]"
_encoder = msgspec.json.Encoder(decimal_format="string")


@dataclass(frozen=True)
class ReactionRejected(Generic[C]):
    """The trigger of a reactor's method for a command of this reactor that was rejected or failed.

    A method annotated `ReactionRejected[Deposit]` is called when a Deposit of this reactor was rejected
    (code and message are the decider's) or failed (code FAILED). The log stores it, in order, as an event of
    type ReactionRejected. So a process receives it exactly like any other event.
    """

    command: C
    code: str
    message: str


@dataclass(frozen=True)
class RecordedRejection:
    """A ReactionRejected as the log stores it. The event's command id leads to the command itself."""

    reactor: str
    """The name of the reactor that sent the command."""
    command_type: str
    """The type of the command that was rejected or failed."""
    code: str
    """The decider's code. FAILED if the code of the domain failed on the command."""
    message: str
    """Why, for a person."""


@dataclass(frozen=True)
class Lifetime:
    """The events that begin a reactor's state (None: any event) and those that end it."""

    starts: frozenset[type] | None = None
    ends: frozenset[type] = frozenset()


@dataclass(frozen=True)
class ReactorType:
    """A reactor: its handlers by event class, and by class of rejected command.

    name: the stored name, see Named. begins: where it begins if it is new and the log has events.
    key: the field whose value identifies a state; None for a reactor without state.
    """

    name: str
    cls: type
    initial: Any
    key: str | None
    lifetime: Lifetime
    reactions: Mapping[type, React]
    rejections: Mapping[type, React]
    doc: str
    where: str
    begins: Begins | None = None

    def takes(self, event: type) -> bool:
        """Whether the reactor handles events of this class."""
        return event in self.reactions or event in self.lifetime.ends

    def key_of(self, trigger: Any) -> str | None:
        """The key in an event or a ReactionRejected, as text; None if the field is None."""
        assert self.key is not None, "only a reactor with a key has states"
        message = trigger.command if isinstance(trigger, ReactionRejected) else trigger
        value = getattr(message, self.key)
        return None if value is None else str(value)

    def react(self, state: Any | None, trigger: Any) -> Reaction | None:
        """The result of `trigger`, an event or a ReactionRejected; None if the reactor ignores it.

        state: the state of the trigger's key; None if there is none. Raises InvalidDecision and whatever the
        domain's code raises.
        """
        kind = type(trigger)
        if isinstance(trigger, ReactionRejected):
            handler = self.rejections.get(type(trigger.command))
        else:
            handler = self.reactions.get(kind)
        starts, ends = self.lifetime.starts, kind in self.lifetime.ends
        if handler is None and not ends:
            return None
        if state is None and starts is not None and kind not in starts:
            return None
        current = self.initial if state is None else state
        answer = None if handler is None else handler(current, trigger)
        reaction = answered(answer, current, self.name, keyed=self.key is not None)
        return Reaction(None, reaction.commands) if ends or self.key is None else reaction

    @cached_property
    def _decoder(self) -> msgspec.json.Decoder[Any]:
        return msgspec.json.Decoder(self.cls)

    def encode(self, state: Any) -> str:
        """A state as JSON. Raises InvalidDecision if decoding would not give the same state."""
        data = _encoder.encode(state)
        try:
            same = self._decoder.decode(data) == state
        except Exception as error:  # a __post_init__ may raise anything
            raise InvalidDecision(f"the state of {self.name} cannot be read back: {error}") from error
        if not same:
            raise InvalidDecision(f"the state of {self.name} would be read back with a difference: {state}")
        return data.decode()

    def decode(self, data: str) -> Any:
        """A state from its JSON. Raises msgspec.DecodeError if its fields have changed; then replay it."""
        return self._decoder.decode(data)


def reactor_type(
    cls: type,
    name: str,
    commands: Mapping[type, CommandType],
    events: Mapping[type, EventType],
    *,
    key: str | None = None,
    lifetime: Lifetime = Lifetime(),
    begins: Begins | None = None,
) -> ReactorType:
    """Collects and checks the methods of `cls` that take an event or a ReactionRejected[Command].

    Raises DefinitionError.
    """
    where = where_is(cls)
    if key is not None:
        cls = frozen_dataclass(cls)
    try:
        initial = cls()
    except Exception as error:  # its __init__ may raise anything
        problem = f"{cls.__name__}() must work without arguments: every field needs a default ({error})"
        raise DefinitionError(where, problem) from error
    if key is not None:
        check_defaults_of_state(cls)
    reactions: dict[type, React] = {}
    rejections: dict[type, React] = {}
    for handler in handlers_of(cls):
        table, trigger = _trigger(handler, cls, commands, events, reactions, rejections)
        if trigger in table:
            problem = handled_twice(trigger)
            raise DefinitionError(handler.where, f"{cls.__name__}.{handler.name}: {problem}")
        check_returns(handler, f"{cls.__name__}.{handler.name}", partial(_not_a_command, events))
        table[trigger] = _called(handler)
        if key is not None:
            taken = events[trigger] if table is reactions else commands[trigger]
            _check_key(taken, key, f"{cls.__name__}.{handler.name}", handler.where)
    if not reactions:
        raise DefinitionError(where, f"{cls.__name__} handles no event of this domain")
    doc = docstring(cls)
    type_ = ReactorType(name, cls, initial, key, lifetime, reactions, rejections, doc, where, begins)
    if key is not None:
        _check_lifetime(type_, events)
        _check_state(type_)
    return type_


def _not_a_command(events: Mapping[type, EventType], returned: type) -> str | None:
    """The problem with a class that a handler is annotated to return; None if there is none."""
    return "an event; a reactor sends commands" if returned in events else None


def _called(handler: Handler) -> React:
    function = handler.function
    return function if handler.bound == "instance" else lambda _, trigger: function(trigger)


def _check_key(type_: EventType | CommandType, key: str, label: str, where: str) -> None:
    field = next((f for f in type_.fields if f.name == key), None)
    if field is None:
        raise DefinitionError(where, f"{label}: {type_.name} has no field {key}, the reactor's key")
    if not (isinstance(field.type, ScalarType) and field.type.python in KEY_TYPES):
        problem = f"the key {type_.name}.{key} must be a UUID, str, int, BigInt or date"
        raise DefinitionError(where, f"{label}: {problem}")


def _check_lifetime(type_: ReactorType, events: Mapping[type, EventType]) -> None:
    label, key = type_.cls.__name__, type_.key
    assert key is not None, "a reactor with a lifetime has a key"
    starts = type_.lifetime.starts
    for word, named in (("starts", starts), ("ends", type_.lifetime.ends)):
        for cls in named or ():
            if cls not in events:
                shown = getattr(cls, "__name__", cls)
                raise DefinitionError(running(), f"{label}: {word}: {shown} is not an event of this domain")
            _check_key(events[cls], key, f"{label}: {word}", running())
    if starts is not None and not starts:
        raise DefinitionError(running(), f"{label}: starts names no event; without one no state can begin")
    for cls in starts or ():
        if cls not in type_.reactions:
            problem = f"no method takes {cls.__name__}, which starts the process"
            raise DefinitionError(running(), f"{label}: {problem}")


def _check_state(type_: ReactorType) -> None:
    try:
        type_.encode(type_.initial)
    except (InvalidDecision, TypeError, msgspec.MsgspecError) as error:
        raise DefinitionError(
            type_.where, f"{type_.cls.__name__}: its fields cannot be stored as JSON: {error}"
        ) from error


def _trigger(
    handler: Handler,
    cls: type,
    commands: Mapping[type, CommandType],
    events: Mapping[type, EventType],
    reactions: dict[type, React],
    rejections: dict[type, React],
) -> tuple[dict[type, React], type]:
    label = f"{cls.__name__}.{handler.name}"
    if handler.rest:
        raise DefinitionError(handler.where, f"{label} must take one parameter: {_TAKES}")
    if typing.get_origin(handler.parameter) is ReactionRejected:
        (command,) = typing.get_args(handler.parameter)
        if command in commands:
            return rejections, command
    elif handler.parameter in events:
        return reactions, handler.parameter
    raise DefinitionError(handler.where, f"{label} must take {_TAKES}")
