"""The decorator for deciders over several states; see Domain."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from commander.domain.aggregates import AggregateType, check_key
from commander.domain.deciders import DeciderType, StateParameter
from commander.domain.decisions import CommandContext
from commander.domain.errors import DefinitionError
from commander.domain.handlers import Handler, hints_of
from commander.domain.lookups import DomainLookups
from commander.domain.messages import CommandType
from commander.domain.parentheses import needs_parentheses
from commander.domain.returns import check_returns, returned_classes
from commander.domain.source import running, where_is
from commander.domain.unique import UniqueRule

D = TypeVar("D", bound=Callable[..., Any])


class DecidingDomain(DomainLookups):
    """The part of Domain with the deciders over several states.

    shared: the stored names of the aggregates whose streams a decider over several states takes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.shared: frozenset[str] = frozenset()

    @property
    def unique_rules(self) -> dict[str, UniqueRule]:
        """The unique keys of all aggregates, by their stored names."""
        rules = (rule for aggregate in self.aggregates.values() for rule in aggregate.unique)
        return {rule.stored_name: rule for rule in rules}

    @needs_parentheses("@domain.decider()")
    def decider(self, /, **keys: str) -> Callable[[D], D]:
        """Declares a function that decides a command by several states.

        It takes the command, then a state for each of its streams, annotated with the aggregate, and at most
        a CommandContext. It answers as a decider of an aggregate does, with events of these aggregates. It
        is pure. The command's stream is that of the first state.

        keys: by parameter, the field of the command with the key of its stream. By default it is the field
        with the name of the aggregate's key. Raises DefinitionError.
        """
        where = running()

        def register(function: D) -> D:
            if not inspect.isfunction(function):
                raise DefinitionError(where, f"{function!r:.80}: a decider must be a function")
            decider = _decider(self, function, keys)
            self._add_decider(decider)
            if len(decider.states) > 1:
                self.shared |= {state.type.stored_name for state in decider.states}
            return function

        return register


def _decider(domain: DecidingDomain, function: Callable[..., Any], keys: Mapping[str, str]) -> DeciderType:
    handler, names = _handler(function)
    label, where = handler.name, handler.where
    command = domain._command_classes().get(handler.parameter)
    if command is None:
        raise DefinitionError(where, f"{label}: its first parameter must be a command of this domain")
    rest = list(zip(names[1:], handler.rest, strict=True))
    takes_context = bool(rest) and rest[-1][1] is CommandContext
    states = rest[:-1] if takes_context else rest
    if not states:
        problem = "it takes no state; after the command comes a state, annotated with an aggregate"
        raise DefinitionError(where, f"{label}: {problem}")
    for name in keys:
        if name not in dict(states):
            known = ", ".join(name for name, _ in states)
            raise DefinitionError(where, f"{label} has no state {name}; it has {known}")
    parameters = tuple(_states(domain, command, states, keys, label, where))
    owned = {event for parameter in parameters for event in parameter.type.evolvers}
    events = {cls: event for cls, event in domain._event_classes().items() if cls in owned}
    decider = DeciderType(command, function, where, parameters, events, takes_context)
    check_returns(handler, label, partial(_not_an_event_of, decider, domain))
    _check_places(decider, handler)
    return decider


def _handler(function: Callable[..., Any]) -> tuple[Handler, Sequence[str]]:
    """The function as a Handler, and the names of its parameters."""
    label, where = function.__name__, where_is(function)
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise DefinitionError(where, f"{label} is async; domain code must be synchronous")
    parameters = inspect.signature(function).parameters.values()
    if any(p.kind not in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters):
        raise DefinitionError(where, f"{label} must take each argument as a positional parameter")
    hints = hints_of(function, where, label)
    names = [p.name for p in parameters]
    for name in names:
        if name not in hints:
            raise DefinitionError(where, f"{label}: annotate {name} with its type")
    if not names:
        raise DefinitionError(where, f"{label}: its first parameter must be a command of this domain")
    first, *rest = (hints[name] for name in names)
    handler = Handler(label, function, first, tuple(rest), hints.get("return"), "class", where)
    return handler, names


def _states(
    domain: DecidingDomain,
    command: CommandType,
    states: Sequence[tuple[str, Any]],
    keys: Mapping[str, str],
    label: str,
    where: str,
) -> Iterator[StateParameter]:
    """The parameters with the states, checked."""
    by_class = {aggregate.cls: aggregate for aggregate in domain.aggregates.values()}
    taken: dict[tuple[str, tuple[str, ...]], str] = {}
    for name, hint in states:
        type_ = by_class.get(hint) if isinstance(hint, type) else None
        if type_ is None:
            shown = getattr(hint, "__name__", repr(hint))
            if hint is CommandContext:
                raise DefinitionError(where, f"{label}: the CommandContext {name} must be the last parameter")
            problem = f"{name} is {shown}, which is not an aggregate of this domain"
            raise DefinitionError(where, f"{label}: {problem}")
        parameter = StateParameter(name, type_, (_key_field(command, type_, name, keys, label, where),))
        known = type_.name, parameter.fields
        if known in taken:
            problem = f"{taken[known]} and {name} are the same state, by {command.name}.{known[1][0]}"
            advice = f'say where their keys are: decider({taken[known]}="…", {name}="…")'
            raise DefinitionError(where, f"{label}: {problem}; {advice}")
        taken[known] = name
        yield parameter


def _key_field(
    command: CommandType, type_: AggregateType, name: str, keys: Mapping[str, str], label: str, where: str
) -> str:
    """The command's field with the key of a state."""
    key = keys.get(name, type_.key)
    if not isinstance(key, str):
        problem = f"{name}={key!r:.80} must be the name of a field of {command.name}"
        raise DefinitionError(where, f"{label}: {problem}")
    advice = "" if name in keys else f'; say which field has it: decider({name}="…")'
    check_key(command, key, f"{label}: {name}", where, advice)
    return key


def _not_an_event_of(decider: DeciderType, domain: DecidingDomain, returned: type) -> str | None:
    """The problem with a class that a decider is annotated to return; None if there is none."""
    if returned in domain._command_classes():
        return "a command; a decider returns events"
    if returned in domain._event_classes() and returned not in decider.events:
        names = ", ".join(dict.fromkeys(state.type.cls.__name__ for state in decider.states))
        return f"an event that none of its states evolves by ({names})"
    return "an error: raise it" if issubclass(returned, Exception) else None


def _check_places(decider: DeciderType, handler: Handler) -> None:
    """Raises DefinitionError for an annotated event that two states evolve by, and that names neither."""
    for cls in returned_classes(handler.returns):
        place = decider.places.get(cls)
        if place is not None and place.key is None and len(place.indexes) > 1:
            names = " and ".join(decider.states[index].name for index in place.indexes)
            key = decider.states[place.indexes[0]].type.key
            problem = f"both {names} evolve by {cls.__name__}; give it the field {key}, the key of its stream"
            raise DefinitionError(handler.where, f"{handler.name}: {problem}")
