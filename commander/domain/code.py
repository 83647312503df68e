"""What the code of a domain knows: the names and versions that it can decide and read.

While a new version of a domain is deployed, processes with old and with new code run side by side. Each tells
what it knows, so that the work that it cannot do is left to one that can.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from commander.domain.aggregates import AggregateType
from commander.domain.effects import EffectType
from commander.domain.messages import CommandType, EventType
from commander.domain.reactors import ReactorType

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


@dataclass(frozen=True)
class DomainCode:
    """The code of a domain in one process. Names are those that may be stored.

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


def code_of(domain: Definitions, fingerprint: str) -> DomainCode:
    """What the code of this domain knows."""
    return DomainCode(
        domain.name,
        fingerprint,
        tuple(sorted(name for one in domain.commands.values() for name in one.names)),
        {name: one.version for one in _in_order(domain.events) for name in one.names},
        tuple(sorted(name for one in domain.aggregates.values() for name in one.names)),
        {one.name: _stored(domain, one.reactions) for one in _in_order(domain.reactors)},
        {one.name: _stored(domain, one.events) for one in _in_order(domain.effects)},
    )


def _in_order(named: Mapping[str, T]) -> list[T]:
    return [named[name] for name in sorted(named)]


def _stored(domain: Definitions, events: Iterable[type]) -> tuple[str, ...]:
    """The stored names of these events, without the built-in one."""
    return tuple(sorted(domain.event_of[cls].stored_name for cls in events if cls in domain.event_of))
