"""Effects: async functions of the domain's author that act outside the system when an event is stored."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict, TypeVar
from uuid import UUID, uuid5

from commander.domain.errors import DefinitionError
from commander.domain.handlers import hints_of
from commander.domain.messages import EventType
from commander.domain.naming import GivenNames, TakenNames, given_names
from commander.domain.reactions import Begins, check_begins
from commander.domain.returns import returned_classes
from commander.domain.source import running, where_is

F = TypeVar("F", bound=Callable[..., Awaitable[None]])
_NAMESPACE = UUID("a3c5d8a0-51f4-5b0e-8f6c-0d5b4b7c9e21")


@dataclass(frozen=True)
class EffectCall:
    """The second argument of an effect that declares one.

    key: the idempotency key: the same for every attempt of this effect on this event. Pass it to the service
    that you call, so that a repeated call is applied once. attempt: counts from 1. It continues after a
    restart, and starts at 1 again when a dead letter is retried.
    """

    key: UUID
    position: int
    stream: str
    recorded_at: datetime
    correlation_id: UUID
    attempt: int


class EffectLimits(TypedDict, total=False):
    """The options of an effect; see EffectType."""

    concurrency: int
    attempts: int
    timeout_seconds: float


@dataclass(frozen=True)
class EffectType:
    """An effect: an async function that is called at least once for each of its events.

    name: the stored name, see Named. begins: where it begins if it is new and the log has events.
    concurrency: the maximum number of calls at once. attempts: the number of attempts before a call becomes a
    dead letter; an attempt that ended its process counts. timeout_seconds: the longest that one attempt may
    take.
    """

    name: str
    events: frozenset[type]
    function: Callable[..., Awaitable[None]]
    takes_call: bool
    where: str
    concurrency: int = 8
    attempts: int = 5
    timeout_seconds: float = 30
    begins: Begins | None = None

    def key(self, position: int, epoch: int = 1) -> UUID:
        """The idempotency key of this effect for the event at this position. epoch: that of the position.

        After the log was set back, there is another event at the position, and its call is another one.
        """
        place = f"{position}" if epoch == 1 else f"{epoch}.{position}"
        return uuid5(_NAMESPACE, f"{self.name}:{place}")

    async def call(self, event: Any, call: EffectCall) -> None:
        """Calls the function once. Raises whatever it raises."""
        await (self.function(event, call) if self.takes_call else self.function(event))


def registering(
    effects: dict[str, EffectType],
    events: Sequence[type],
    known: Mapping[type, EventType],
    limits: EffectLimits,
    taken: TakenNames,
    name: str | None,
    was: Sequence[str],
    begins: Begins | None,
) -> Callable[[F], F]:
    """A decorator that adds a function to `effects`. It raises DefinitionError."""

    def register(function: F) -> F:
        names = given_names("effect", getattr(function, "__name__", repr(function)), name, was)
        check_begins(begins, names.name)
        type_ = _effect_type(function, events, known, limits, names, begins)
        taken.claim(names, type_.where)
        effects[type_.name] = type_
        return function

    return register


def _effect_type(
    function: Callable[..., Awaitable[None]],
    events: Sequence[type],
    known: Mapping[type, EventType],
    limits: EffectLimits,
    names: GivenNames,
    begins: Begins | None,
) -> EffectType:
    if not inspect.isfunction(function):
        raise DefinitionError(running(), f"{function!r}: an effect must be an async function")
    where, name = where_is(function), function.__name__
    if not inspect.iscoroutinefunction(function):
        raise DefinitionError(where, f"{name}: an effect must be an async function")
    if not events:
        problem = "an effect needs at least one event, like @domain.effect(MoneyWithdrawn)"
        raise DefinitionError(where, f"{name}: {problem}")
    for event in events:
        if not isinstance(event, type) or event not in known:
            shown = getattr(event, "__name__", repr(event))
            raise DefinitionError(where, f"{name}: {shown} is not an event of this domain")
    if not 1 <= len(inspect.signature(function).parameters) <= 2:
        raise DefinitionError(where, f"{name} must take an event and at most an EffectCall")
    _check_parameter(function, events, where)
    made = EffectType(
        names.stored,
        frozenset(events),
        function,
        len(inspect.signature(function).parameters) == 2,
        where,
        **limits,
        begins=begins,
    )
    for limit in typing.get_type_hints(EffectLimits):
        if not getattr(made, limit) > 0:
            raise DefinitionError(where, f"{name}: {limit} must be greater than 0")
    return made


def _check_parameter(function: Callable[..., Any], events: Sequence[type], where: str) -> None:
    """Raises DefinitionError if the annotation of its parameter does not include each of its events."""
    hints = hints_of(function, where, function.__name__)
    parameter = next(iter(inspect.signature(function).parameters))
    taken = tuple(returned_classes(hints.get(parameter)))
    for event in events:
        if taken and not issubclass(event, taken):
            named = " | ".join(cls.__name__ for cls in taken)
            problem = f"is declared for {event.__name__}, but its {parameter} is annotated {named}"
            raise DefinitionError(where, f"{function.__name__} {problem}")
