"""Effects: from an event in the log to the world outside, by an async function of the domain's author."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict, TypeVar
from uuid import UUID, uuid5

from commander.domain.errors import DefinitionError
from commander.domain.messages import EventType
from commander.domain.source import running, where_is

F = TypeVar("F", bound=Callable[..., Awaitable[None]])
_NAMESPACE = UUID("a3c5d8a0-51f4-5b0e-8f6c-0d5b4b7c9e21")


@dataclass(frozen=True)
class EffectCall:
    """Handed to an effect that takes a second parameter.

    key: the same whenever this effect is called for this event: hand it to whatever you call, so that what
    comes twice is done once. attempt: from 1, goes on after a restart, and begins anew when a dead letter is
    retried.
    """

    key: UUID
    position: int
    stream: str
    recorded_at: datetime
    correlation_id: UUID
    attempt: int


class EffectLimits(TypedDict, total=False):
    """How an effect is called; see EffectType."""

    concurrency: int
    attempts: int
    timeout_seconds: float


@dataclass(frozen=True)
class EffectType:
    """An effect: an async function, called at least once for each of its events.

    concurrency: the most calls at once. attempts: how often one is tried before it is a dead letter, those
    that ended their process included. timeout_seconds: how long one attempt may take. When an effect is new
    it begins with the events to come.
    """

    name: str
    events: frozenset[type]
    function: Callable[..., Awaitable[None]]
    takes_call: bool
    where: str
    concurrency: int = 8
    attempts: int = 5
    timeout_seconds: float = 30

    def key(self, position: int) -> UUID:
        """The idempotency key of this effect for the event at a position."""
        return uuid5(_NAMESPACE, f"{self.name}:{position}")

    async def call(self, event: Any, call: EffectCall) -> None:
        """Raises whatever the function raises."""
        await (self.function(event, call) if self.takes_call else self.function(event))


def registering(
    effects: dict[str, EffectType],
    events: Sequence[type],
    known: Mapping[type, EventType],
    limits: EffectLimits,
) -> Callable[[F], F]:
    """The decorator that adds a function to these effects. It raises DefinitionError."""

    def register(function: F) -> F:
        type_ = _effect_type(function, events, known, limits)
        if type_.name in effects:
            raise DefinitionError(running(), f"the effect name {type_.name} is taken")
        effects[type_.name] = type_
        return function

    return register


def _effect_type(
    function: Callable[..., Awaitable[None]],
    events: Sequence[type],
    known: Mapping[type, EventType],
    limits: EffectLimits,
) -> EffectType:
    if not inspect.isfunction(function):
        raise DefinitionError(running(), f"{function!r}: an effect is an async function")
    where, name = where_is(function), function.__name__
    if not inspect.iscoroutinefunction(function):
        raise DefinitionError(where, f"{name}: an effect is an async function")
    if not events:
        raise DefinitionError(where, f"{name}: name the events, like @domain.effect(MoneyWithdrawn)")
    for event in events:
        if event not in known:
            shown = getattr(event, "__name__", repr(event))
            raise DefinitionError(where, f"{name}: {shown} is no event of this domain")
    if not 1 <= len(inspect.signature(function).parameters) <= 2:
        raise DefinitionError(where, f"{name}: takes an event, and at most an EffectCall")
    made = EffectType(
        name,
        frozenset(events),
        function,
        len(inspect.signature(function).parameters) == 2,
        where,
        **limits,
    )
    for limit in typing.get_type_hints(EffectLimits):
        if not getattr(made, limit) > 0:
            raise DefinitionError(where, f"{name}: {limit} must be more than 0")
    return made
