"""The decorators for deciders over several states and for decision models; see Domain."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar, dataclass_transform

from commander.domain.aggregates import AggregateType, check_key
from commander.domain.deciders import DeciderType, StateParameter
from commander.domain.decision_models import DecisionModelType, decision_model_type, tagged_field
from commander.domain.decisions import CommandContext
from commander.domain.errors import DefinitionError
from commander.domain.handlers import Handler, hints_of
from commander.domain.look_ups import By, found_class, look_up_of
from commander.domain.lookups import DomainLookups
from commander.domain.messages import CommandType, frozen_dataclass, registered
from commander.domain.naming import given_names
from commander.domain.parentheses import needs_parentheses
from commander.domain.returns import check_returns, returned_classes
from commander.domain.source import running, where_is

T = TypeVar("T")
D = TypeVar("D", bound=Callable[..., Any])


class DecidingDomain(DomainLookups):
    """The part of Domain with the deciders over several states.

    shared: the stored names of the aggregates whose streams a decider over several states takes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.shared: frozenset[str] = frozenset()
        self.decision_models: dict[str, DecisionModelType] = {}

    @dataclass_transform(frozen_default=True)
    @needs_parentheses('@domain.decision_model(tags=("course_id",))')
    def decision_model(
        self, /, *, tags: Sequence[str], name: str | None = None
    ) -> Callable[[type[T]], type[T]]:
        """Declares a state for deciders that is folded from all events with given tags, in any stream.

        Its methods take an event each and return the next state. tags: the fields, marked with Tag, that all
        of these events have. Raises DefinitionError.
        """

        def register(cls: type[T]) -> type[T]:
            names = given_names("decision model", cls.__name__, name, (), in_lower_case=True)
            classes = self._command_classes(), self._event_classes()
            type_ = decision_model_type(frozen_dataclass(cls), tags, *classes, names)
            if type_.name in self.decision_models:
                other = self.decision_models[type_.name].where
                problem = f"the name {type_.name} of a decision model is taken: it is defined at {other}"
                raise DefinitionError(running(), problem)
            self.decision_models[type_.name] = type_
            return type_.cls

        return register

    @needs_parentheses("@domain.decider()")
    def decider(self, /, **keys: str | tuple[str, ...] | By) -> Callable[[D], D]:
        """Declares a function that decides a command by several states.

        It takes the command, then the states, each annotated with its aggregate or decision model, and at
        most a CommandContext. It answers as a decider of an aggregate does, with events of these aggregates.
        It is pure. The first state has an aggregate; its stream is that of the command.

        keys: by parameter, the field of the command with the key of its stream; for a decision model the
        field with the value of its tag, or a tuple of fields, one for each tag. By default the fields have
        the names of the aggregate's key and of the tags. `by(…)`: the state is found by a unique key; its
        parameter is annotated with `Found[…] | None`. Raises DefinitionError.
        """
        where = running()

        def register(function: D) -> D:
            if not inspect.isfunction(function):
                raise DefinitionError(where, f"{function!r:.80}: a decider must be a function")
            decider = _decider(self, function, keys)
            self._add_decider(decider)
            if len(decider.states) > 1:
                self.shared |= {aggregate.stored_name for aggregate in decider.aggregates}
            return function

        return register


def _decider(domain: DecidingDomain, function: Callable[..., Any], keys: Mapping[str, Any]) -> DeciderType:
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
    owned = {cls for one in parameters if isinstance(one.type, AggregateType) for cls in one.type.evolvers}
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
    keys: Mapping[str, Any],
    label: str,
    where: str,
) -> Iterator[StateParameter]:
    """The parameters with the states, checked."""
    types: tuple[AggregateType | DecisionModelType, ...] = (
        *domain.aggregates.values(),
        *domain.decision_models.values(),
    )
    by_class = {one.cls: one for one in types}
    taken: dict[tuple[Any, ...], str] = {}
    for name, hint in states:
        if hint is CommandContext:
            raise DefinitionError(where, f"{label}: the CommandContext {name} must be the last parameter")
        found = found_class(hint, name, label, where)
        cls = hint if found is None else found
        type_ = by_class.get(cls) if isinstance(cls, type) else None
        if type_ is None:
            shown = getattr(cls, "__name__", repr(cls))
            problem = f"{name} is {shown}, which is not an aggregate or a decision model of this domain"
            raise DefinitionError(where, f"{label}: {problem}")
        if not taken and isinstance(type_, DecisionModelType):
            problem = f"its first state {name} must have an aggregate: its stream is that of the command"
            raise DefinitionError(where, f"{label}: {problem}")
        if found is None and not isinstance(keys.get(name), By):
            parameter = StateParameter(name, type_, _fields(command, type_, name, keys, label, where))
        elif not taken:
            problem = f"its first state {name} cannot be found by a unique key: its stream is the command's"
            raise DefinitionError(where, f"{label}: {problem}")
        else:
            parameter = _looked_up(domain, command, type_, name, keys.get(name), found, label, where)
        same = type_.cls, parameter.look_up and parameter.look_up.rule.name, parameter.fields
        if (before := taken.get(same)) is not None:
            problem = f"{before} and {name} are the same state, by {', '.join(parameter.fields)}"
            advice = f'say where their keys are: decider({before}="…", {name}="…")'
            raise DefinitionError(where, f"{label}: {problem}; {advice}")
        taken[same] = name
        yield parameter


def _looked_up(
    domain: DecidingDomain,
    command: CommandType,
    type_: AggregateType | DecisionModelType,
    name: str,
    given: Any,
    found: Any,
    label: str,
    where: str,
) -> StateParameter:
    """A state that is found by a unique key. found: the class in its annotation, or None."""
    if isinstance(type_, DecisionModelType):
        problem = f"{name} is a decision model; only the states of aggregates have unique keys"
        raise DefinitionError(where, f"{label}: {problem}")
    if found is None:
        problem = f"{name} is found by a unique key: annotate it with Found[{type_.cls.__name__}] | None"
        raise DefinitionError(where, f"{label}: {problem}")
    keys, events = domain.key_fields_of(type_), domain._event_classes()
    look_up, fields = look_up_of(given, type_, command, keys, events, f"{label}: {name}", where)
    return StateParameter(name, type_, fields, look_up)


def _fields(
    command: CommandType,
    type_: AggregateType | DecisionModelType,
    name: str,
    keys: Mapping[str, Any],
    label: str,
    where: str,
) -> tuple[str, ...]:
    """The command's fields by which a state is found."""
    needed = (type_.key,) if isinstance(type_, AggregateType) else type_.tags
    given = keys.get(name, needed)
    found = (given,) if isinstance(given, str) else given
    if not isinstance(found, tuple) or not all(isinstance(one, str) for one in found):
        problem = f"{name}={given!r:.80} must be the name of a field of {command.name}"
        raise DefinitionError(where, f"{label}: {problem}")
    if len(found) != len(needed):
        problem = f"{name} needs a field of {command.name} for each of {', '.join(needed)}, got {found}"
        raise DefinitionError(where, f"{label}: {problem}")
    advice = "" if name in keys else f'; say which field has it: decider({name}="…")'
    if isinstance(type_, AggregateType):
        check_key(command, found[0], f"{label}: {name}", where, advice)
        return found
    for tag, one in zip(type_.tags, found, strict=True):
        _check_tag(command, type_, tag, one, f"{label}: {name}", where, advice)
    return found


def _check_tag(
    command: CommandType, model: DecisionModelType, tag: str, field: str, label: str, where: str, advice: str
) -> None:
    """Raises DefinitionError unless the command's field has a value of the tag."""
    found = next((one for one in command.fields if one.name == field), None)
    if found is None:
        problem = f"{command.name} has no field {field} with the tag of {model.cls.__name__}{advice}"
        raise DefinitionError(where, f"{label}: {problem}")
    if found.optional:
        raise DefinitionError(where, f"{label}: {command.name}.{field}, the tag {tag}, cannot be None")
    event = registered(next(iter(model.evolvers)))
    if found.python is not (expected := tagged_field(event, tag).python):
        problem = f"{command.name}.{field} must be a {expected.__name__}, as the tag {event.name}.{tag} is"
        raise DefinitionError(where, f"{label}: {problem}")


def _not_an_event_of(decider: DeciderType, domain: DecidingDomain, returned: type) -> str | None:
    """The problem with a class that a decider is annotated to return; None if there is none."""
    if returned in domain._command_classes():
        return "a command; a decider returns events"
    if returned in domain._event_classes() and returned not in decider.events:
        names = ", ".join(aggregate.cls.__name__ for aggregate in decider.aggregates)
        return f"an event that no aggregate of its states evolves by ({names})"
    return "an error: raise it" if issubclass(returned, Exception) else None


def _check_places(decider: DeciderType, handler: Handler) -> None:
    """Raises DefinitionError for an annotated event that two states evolve by, and that names neither."""
    for cls in returned_classes(handler.returns):
        place = decider.places.get(cls)
        if place is not None and not place.has_key and len(place.indexes) > 1:
            names = " and ".join(decider.states[index].name for index in place.indexes)
            key = f"{place.aggregate.key}, the key of its stream"
            problem = f"both {names} evolve by {cls.__name__}; give it the field {key}"
            raise DefinitionError(handler.where, f"{handler.name}: {problem}")
