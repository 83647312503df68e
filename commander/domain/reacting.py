"""The decorators of a domain for reactors, processes, effects and recurring commands."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any, TypeVar, Unpack, dataclass_transform, overload

from commander.domain.effects import EffectLimits, EffectType, registering
from commander.domain.effects import F as Effect
from commander.domain.errors import DefinitionError
from commander.domain.messages import CommandType, EventType
from commander.domain.reactors import Lifetime, ReactorType, reactor_type
from commander.domain.recurring import RecurringType, recurring_type
from commander.domain.source import running

T = TypeVar("T")
F = TypeVar("F", bound=Callable[[datetime], Any])


class ReactingDomain(ABC):
    """The part of Domain with the decorators for reactions; see Domain."""

    def __init__(self) -> None:
        super().__init__()
        self.reactors: dict[str, ReactorType] = {}
        self.recurring: dict[str, RecurringType] = {}
        self.effects: dict[str, EffectType] = {}

    @abstractmethod
    def _event_classes(self) -> Mapping[type, EventType]: ...

    @abstractmethod
    def _command_classes(self) -> Mapping[type, CommandType]: ...

    @overload
    def reactor(self, cls: type[T], /) -> type[T]: ...
    @overload
    def reactor(self, /, *, key: str) -> Callable[[type[T]], type[T]]: ...
    @dataclass_transform(frozen_default=True)
    def reactor(
        self, cls: type[T] | None = None, /, *, key: str | None = None
    ) -> type[T] | Callable[[type[T]], type[T]]:
        """Declares a reactor: a class whose methods turn an event into commands.

        key: a field of every event and command that it takes. With a key the reactor keeps a state, its own
        fields, for each value of the key, and a method returns the next state beside its commands.
        Raises DefinitionError.
        """
        register: Callable[[type[T]], type[T]] = self._reacting(key, Lifetime())
        return register if cls is None else register(cls)

    @dataclass_transform(frozen_default=True)
    def process(
        self, /, *, key: str, starts: Collection[type], ends: Collection[type] = ()
    ) -> Callable[[type[T]], type[T]]:
        """Declares a process: a reactor with a key, whose states have a beginning and an end.

        A state begins with an event of `starts` and ends with one of `ends`. Any other event is ignored if
        its key has no state. An event whose key is None is ignored too. Raises DefinitionError.
        """
        return self._reacting(key, Lifetime(frozenset(starts), frozenset(ends)))

    def effect(self, *events: type, **limits: Unpack[EffectLimits]) -> Callable[[Effect], Effect]:
        """Declares an effect: an async function that is called at least once for each of these events.

        For the limits see EffectType. Raises DefinitionError.
        """
        return registering(self.effects, events, self._event_classes(), limits)

    def every(self, expression: str, /) -> Callable[[F], F]:
        """Declares recurring commands: a function from the time of a tick (UTC) to the commands to send.

        expression: a cron expression. The commands of a tick are sent once, however many processes run.
        Only the next tick is scheduled in advance: it comes even if no process runs then. Later ticks are
        skipped until a process runs again. Raises DefinitionError.
        """

        def register(function: F) -> F:
            type_ = recurring_type(expression, function)
            if type_.name in self.recurring:
                raise DefinitionError(type_.where, f"the recurring name {type_.name} is taken")
            self.recurring[type_.name] = type_
            return function

        return register

    def _reacting(self, key: str | None, lifetime: Lifetime) -> Callable[[type[T]], type[T]]:
        def register(cls: type[T]) -> type[T]:
            name = cls.__name__[0].lower() + cls.__name__[1:]
            classes = self._command_classes(), self._event_classes()
            type_ = reactor_type(cls, name, *classes, key=key, lifetime=lifetime)
            if name in self.reactors:
                raise DefinitionError(running(), f"the reactor name {name} is taken")
            self.reactors[name] = type_
            return type_.cls

        return register
