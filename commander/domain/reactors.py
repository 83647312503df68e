"""Reactors: from an event in the log to new commands."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from commander.domain.errors import DefinitionError, InvalidDecision
from commander.domain.handlers import Handler, handlers_of
from commander.domain.messages import CommandType, EventType, docstring
from commander.domain.source import where_is

C = TypeVar("C")
Reaction = Callable[[Any], Any]


@dataclass(frozen=True)
class ReactionRejected(Generic[C]):
    """What a reactor's method takes to learn that a command it sent was refused.

    A method annotated `ReactionRejected[Deposit]` is called when a Deposit of this reactor was rejected
    (code and message are the decider's) or failed (code FAILED). The refusal stands in the log, in order,
    as an event of type ReactionRejected, so that a process sees its setbacks as surely as its successes.
    """

    command: C
    code: str
    message: str


@dataclass(frozen=True)
class RecordedRejection:
    """The logged form of a refusal; the command itself is found by the event's command id."""

    reactor: str
    command_type: str
    code: str
    message: str


@dataclass(frozen=True)
class ReactorType:
    """A reactor: by event class, and by class of refused command, what to send."""

    name: str
    reactions: Mapping[type, Reaction]
    rejections: Mapping[type, Reaction]
    doc: str
    where: str

    def react(self, event: Any) -> tuple[Any, ...]:
        """The commands that follow from `event` (an event, or a ReactionRejected), in order."""
        if isinstance(event, ReactionRejected):
            reaction = self.rejections.get(type(event.command))
        else:
            reaction = self.reactions.get(type(event))
        return () if reaction is None else _commands_of(reaction(event), self.name)


def _commands_of(answer: Any, reactor: str) -> tuple[Any, ...]:
    if answer is None:
        return ()
    commands = tuple(answer) if isinstance(answer, Iterable) and not isinstance(answer, str) else (answer,)
    for command in commands:
        if not hasattr(type(command), "__commander__"):
            raise InvalidDecision(f"the reactor {reactor} returned {type(command).__name__}, no command")
    return commands


def reactor_type(
    cls: type, name: str, commands: Mapping[type, CommandType], events: Mapping[type, EventType]
) -> ReactorType:
    """Reads the reactions off `cls`: methods that take an event, or a ReactionRejected[Command]."""
    where = where_is(cls)
    try:
        instance = cls()
    except Exception as error:  # its __init__ may raise anything
        raise DefinitionError(where, f"{cls.__name__} is made without arguments ({error})") from error
    reactions: dict[type, Reaction] = {}
    rejections: dict[type, Reaction] = {}
    for handler in handlers_of(cls):
        table, trigger = _trigger(handler, cls, commands, events, reactions, rejections)
        if trigger in table:
            raise DefinitionError(handler.where, f"{cls.__name__}.{handler.name}: handled twice")
        table[trigger] = getattr(instance, handler.name)
    if not reactions:
        raise DefinitionError(where, f"{cls.__name__} reacts to no event of this domain")
    return ReactorType(name, reactions, rejections, docstring(cls), where)


def _trigger(
    handler: Handler,
    cls: type,
    commands: Mapping[type, CommandType],
    events: Mapping[type, EventType],
    reactions: dict[type, Reaction],
    rejections: dict[type, Reaction],
) -> tuple[dict[type, Reaction], type]:
    if handler.rest:
        problem = "takes one event, or one ReactionRejected[a command]"
        raise DefinitionError(handler.where, f"{cls.__name__}.{handler.name}: {problem}")
    if typing.get_origin(handler.parameter) is ReactionRejected:
        (command,) = typing.get_args(handler.parameter)
        if command in commands:
            return rejections, command
    elif handler.parameter in events:
        return reactions, handler.parameter
    raise DefinitionError(
        handler.where,
        f"{cls.__name__}.{handler.name}: takes an event of the domain or ReactionRejected[a command]",
    )
