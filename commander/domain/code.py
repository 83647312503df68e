"""What the code of a domain knows: the names and versions that it can decide and read.

While a new version of a domain is deployed, processes with old and with new code run side by side. Each tells
what it knows, so that the work that it cannot do is left to one that can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from commander.domain.aggregates import AggregateType
from commander.domain.effects import EffectType
from commander.domain.fields import EnumType, Field, FieldType, ListType, RecordType
from commander.domain.hooks import Hooks
from commander.domain.messages import CommandType, EventType
from commander.domain.reactors import ReactorType
from commander.domain.source import fingerprint

T = TypeVar("T")


class Definitions(Protocol):
    """What a domain's author has defined: a Domain."""

    name: str
    commands: dict[str, CommandType]
    events: dict[str, EventType]
    aggregates: dict[str, AggregateType]
    reactors: dict[str, ReactorType]
    effects: dict[str, EffectType]
    event_of: dict[type, EventType]
    submit_hooks: Hooks
    decide_hooks: Hooks


@dataclass(frozen=True)
class DomainCode:
    """The code of a domain in one process. Names are those that are stored.

    fingerprint: differs if the code that decides or reacts differs. events: the schema version of each event.
    reactors, effects: the events that each one takes, by its name.
    """

    domain: str
    fingerprint: str
    commands: tuple[str, ...]
    events: Mapping[str, int]
    aggregates: tuple[str, ...]
    reactors: Mapping[str, tuple[str, ...]]
    effects: Mapping[str, tuple[str, ...]]

    def reads(self, event: str, schema_version: int) -> bool:
        """Whether it knows this event in this schema version."""
        return self.events.get(event, 0) >= schema_version


def code_of(domain: Definitions, upcasts: Iterable[Callable[..., Any]]) -> DomainCode:
    """What the code of this domain knows."""
    return DomainCode(
        domain.name,
        _fingerprint(domain, upcasts),
        tuple(sorted(one.stored_name for one in domain.commands.values())),
        {one.stored_name: one.version for one in _in_order(domain.events)},
        tuple(sorted(one.stored_name for one in domain.aggregates.values())),
        {one.name: _stored(domain, one.reactions) for one in _in_order(domain.reactors)},
        {one.name: _stored(domain, one.events) for one in _in_order(domain.effects)},
    )


def _fingerprint(domain: Definitions, upcasts: Iterable[Callable[..., Any]]) -> str:
    """A digest of the code that decides and reacts: messages with their value objects, aggregates and so on.

    Projections are not in it: each has a fingerprint of its own.
    """
    messages: list[CommandType | EventType] = [*_in_order(domain.commands), *_in_order(domain.events)]
    values = {one: None for message in messages for one in _values(message.fields)}
    hooks = (*domain.submit_hooks.all, *domain.decide_hooks.all)
    return fingerprint(
        *(message.cls for message in messages),
        *values,
        *(aggregate.cls for aggregate in _in_order(domain.aggregates)),
        *upcasts,
        *(hook.function for hook in hooks),
        *(reactor.cls for reactor in _in_order(domain.reactors)),
        *(effect.function for effect in _in_order(domain.effects)),
    )


def _in_order(named: Mapping[str, T]) -> list[T]:
    return [named[name] for name in sorted(named)]


def _stored(domain: Definitions, events: Iterable[type]) -> tuple[str, ...]:
    """The stored names of these events, without the built-in one."""
    return tuple(sorted(domain.event_of[cls].stored_name for cls in events if cls in domain.event_of))


def _values(fields: Iterable[Field]) -> Iterator[type]:
    """The author's classes in the types of these fields: value objects and enums."""
    for field in fields:
        yield from _values_of(field.type)


def _values_of(type_: FieldType) -> Iterator[type]:
    match type_:
        case EnumType(python):
            yield python
        case RecordType(python, fields):
            yield python
            yield from _values(fields)
        case ListType():
            yield from _values_of(type_.item)
