"""The fingerprints of aggregates, projections and reactors, and that of all code that decides and reacts.

Those of unique keys are of the code that the keys depend on.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from commander.domain.aggregates import AggregateType
from commander.domain.deciders import DeciderType
from commander.domain.decision_models import DecisionModelType
from commander.domain.effects import EffectType
from commander.domain.handlers import handlers_of
from commander.domain.hooks import Hooks
from commander.domain.messages import CommandType, EventType
from commander.domain.projections import ProjectionType
from commander.domain.reachable import Reachable, Root
from commander.domain.reactors import ReactorType
from commander.domain.recurring import RecurringType
from commander.domain.rules import Asked, Roles, parts_of
from commander.domain.source import is_of_the_author
from commander.domain.unique import UniqueRule

Part = AggregateType | ProjectionType | ReactorType | UniqueRule
"""What has a fingerprint of its own."""


class Declarations(Protocol):
    """What a domain declares; see Domain."""

    name: str
    events: dict[str, EventType]
    event_of: dict[type, EventType]
    commands: dict[str, CommandType]
    aggregates: dict[str, AggregateType]
    deciders: dict[str, DeciderType]
    decision_models: dict[str, DecisionModelType]
    projections: dict[str, ProjectionType]
    reactors: dict[str, ReactorType]
    recurring: dict[str, RecurringType]
    effects: dict[str, EffectType]
    upcasts: dict[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]]
    submit_hooks: Hooks
    decide_hooks: Hooks


class Fingerprints:
    """Eight hex digits each. They are made together when the first one is asked for, and kept.

    They are made again if something was declared since.
    """

    def __init__(self, domain: Declarations) -> None:
        self._domain = domain
        self._known: dict[object, str] = {}
        self._count = 0

    def of(self, part: Part | None) -> str:
        """The fingerprint of a part; None: of all code that decides and reacts, i.e. all but projections."""
        count = _count(self._domain)
        if count != self._count:
            self._known.clear()
            self._count = count
        key = _key(part)
        if key not in self._known:
            reachable = Reachable(_declared(self._domain), type(self._domain))
            for one in (part, *self._parts()):
                if _key(one) not in self._known:
                    self._known[_key(one)] = reachable.fingerprint(*self._made_of(one))
        return self._known[key]

    def _parts(self) -> Iterator[Part]:
        """Those that a process needs at its start, so that the modules are read once."""
        yield from self._domain.aggregates.values()
        yield from (rule for one in self._domain.aggregates.values() for rule in one.unique)
        yield from self._domain.projections.values()
        yield from (one for one in self._domain.reactors.values() if one.key is not None)

    def _made_of(self, part: Part | None) -> tuple[str, list[Root]]:
        """The label and the roots of its fingerprint."""
        match part:
            case None:
                return self._of_deciding()
            case AggregateType():
                return "aggregate", [Root("class", part.cls), *self._handled(part.evolvers)]
            case UniqueRule():
                aggregate = next(
                    one for one in self._domain.aggregates.values() if one.stored_name == part.aggregate
                )
                return "unique key", [*_of_rule(aggregate, part), *self._handled(aggregate.evolvers)]
            case ProjectionType():
                functions = {event: handler.function for event, handler in part.handlers.items()}
                return part.layout, [Root("class", part.cls), *self._handled(functions)]
        starts, ends = part.lifetime.starts, part.lifetime.ends
        roots = [Root("class", part.cls), *self._methods(part.cls)]
        roots += [Root("starts", cls) for cls in _sorted(starts or ())]
        roots += [Root("ends", cls) for cls in _sorted(ends)]
        return f"reactor by {part.key}, starts with any: {starts is None}", roots

    def _methods(self, cls: type) -> Iterator[Root]:
        """The events and commands that a class handles, each with the name of its method."""
        named = list(handlers_of(cls))
        yield from self._handled({one.parameter: one.function for one in named})
        for one in sorted(named, key=lambda one: one.name):
            taken = (*typing.get_args(one.parameter), one.parameter)[0]  # of ReactionRejected[Command]
            if taken in {type_.cls for type_ in self._domain.commands.values()}:
                yield Root(one.name, taken)

    def _handled(self, functions: Mapping[Any, Callable[..., Any]]) -> Iterator[Root]:
        """The events that a class handles, each with the name of its method, and their upcasts."""
        types = self._domain.event_of
        found = [(function.__name__, types[cls]) for cls, function in functions.items() if cls in types]
        for method, type_ in sorted(found, key=lambda one: (one[0], one[1].name)):
            yield Root(f"{method} of version {type_.version}", type_.cls)
            yield from self._upcasts(type_)

    def _upcasts(self, type_: EventType) -> Iterator[Root]:
        for (name, version), upcast in sorted(self._domain.upcasts.items(), key=lambda one: one[0]):
            if name == type_.name:
                yield Root(f"upcast from {version}", upcast)

    def _of_deciding(self) -> tuple[str, list[Root]]:
        domain, roots = self._domain, list[Root]()
        for _, event in sorted(domain.events.items()):
            roots += [Root(f"event {event.name} {event.version}", event.cls), *self._upcasts(event)]
        for _, command in sorted(domain.commands.items()):
            roots.append(Root(f"command {command.name} {command.internal}", command.cls))
            roots += _rule_on_state(command)
        for _, aggregate in sorted(domain.aggregates.items()):
            roots.append(Root(f"aggregate {aggregate.name} by {aggregate.key}", aggregate.cls))
            roots += self._methods(aggregate.cls)
            for rule in aggregate.unique:
                roots += _of_rule(aggregate, rule)
        for _, model in sorted(domain.decision_models.items()):
            roots.append(Root(f"decision model {model.name} by {model.tags}", model.cls))
            roots += self._methods(model.cls)
        for _, decider in sorted(domain.deciders.items()):
            states = [(state.name, state.type.name, state.fields) for state in decider.states]
            found = [(state.name, state.look_up.rule.name) for state in decider.states if state.look_up]
            by = f"{states}, found by {found}" if found else f"{states}"
            roots.append(Root(f"decider of {decider.command.name} by {by}", decider.function))
        for _, reactor in sorted(domain.reactors.items()):
            label, own = self._made_of(reactor)
            roots += [own[0]._replace(role=f"{reactor.name}: {label}"), *own[1:]]
        for _, effect in sorted(domain.effects.items()):
            roots.append(Root(f"effect {effect.name}", effect.function))
            roots += [Root(effect.name, cls) for cls in _sorted(effect.events)]
        for _, recurring in sorted(domain.recurring.items()):
            roots.append(Root(f"every {recurring.cron.text}", recurring.function))
        for hooks in (domain.submit_hooks, domain.decide_hooks):
            for hook in hooks.all:
                roots.append(Root(hook.kind, hook.function))
                roots += [Root(hook.kind, cls) for cls in _sorted(hook.commands or ())]
        return f"domain {domain.name}", roots


def _of_rule(aggregate: AggregateType, rule: UniqueRule) -> Iterator[Root]:
    """The class of the states, and the functions that make keys. One of a library counts by its name."""
    functions = {"keys": rule.keys, "normalise": rule.normalise}
    given = {role: function for role, function in functions.items() if function is not None}
    named = {role: _name_elsewhere(function) for role, function in given.items()}
    yield Root(f"unique {rule.name} of {rule.fields} by {named}", aggregate.cls)
    yield from (Root(role, function) for role, function in given.items() if named[role] is None)


def _name_elsewhere(function: Callable[..., Any]) -> str | None:
    """The name of a function of Python or of a library; None for any other."""
    try:
        file = inspect.getfile(inspect.unwrap(function))
    except TypeError:  # it is not written in Python, or is no function
        file = ""
    own = file and is_of_the_author(file)
    return None if own else getattr(function, "__qualname__", None)


def _rule_on_state(command: CommandType) -> Iterator[Root]:
    """The functions of a command's rule, if whoever decides the command decides the rule."""
    parts = list(parts_of(command.allow))
    asked = [part for part in parts if isinstance(part, Asked)]
    if any(part.parameters == 3 for part in asked):
        roles = sorted(name for part in parts if isinstance(part, Roles) for name in part.names)
        yield from (Root(f"allow {roles} by {part.parameters}", part.function) for part in asked)


def _declared(domain: Declarations) -> Iterator[Any]:
    """The classes and functions that the domain is made of."""
    for types in (domain.events, domain.commands, domain.aggregates, domain.projections, domain.reactors):
        yield from (type_.cls for type_ in types.values())
    yield from (model.cls for model in domain.decision_models.values())
    yield from (decider.function for decider in domain.deciders.values())
    yield from domain.upcasts.values()
    for functions in (domain.effects, domain.recurring):
        yield from (type_.function for type_ in functions.values())
    yield from (hook.function for hook in (*domain.submit_hooks.all, *domain.decide_hooks.all))


def _count(domain: Declarations) -> int:
    """How many classes and functions that is."""
    types = len(domain.events) + len(domain.commands) + len(domain.aggregates) + len(domain.projections)
    types += len(domain.decision_models) + len(domain.deciders)
    others = len(domain.reactors) + len(domain.upcasts) + len(domain.effects) + len(domain.recurring)
    return types + others + len(domain.submit_hooks.all) + len(domain.decide_hooks.all)


def _key(part: Part | None) -> object:
    if part is None:
        return None
    return type(part), part.stored_name if isinstance(part, UniqueRule) else part.name


def _sorted(classes: Iterable[type]) -> list[type]:
    return sorted(classes, key=lambda cls: cls.__name__)
