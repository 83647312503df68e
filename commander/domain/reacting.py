"""The decorators of a domain for reactors, processes, effects and recurring commands."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar, Unpack, dataclass_transform, overload

from commander.domain.effects import EffectLimits, EffectType, registering
from commander.domain.effects import F as Effect
from commander.domain.errors import DefinitionError
from commander.domain.messages import CommandType, EventType
from commander.domain.naming import TakenNames, given_names
from commander.domain.parentheses import needs_parentheses, takes
from commander.domain.reactions import Begins, check_begins
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
        self.names = TakenNames()

    @abstractmethod
    def _event_classes(self) -> Mapping[type, EventType]: ...

    @abstractmethod
    def _command_classes(self) -> Mapping[type, CommandType]: ...

    @overload
    def reactor(self, cls: type[T], /) -> type[T]: ...
    @overload
    def reactor(
        self,
        /,
        *,
        key: str | None = None,
        name: str | None = None,
        was: Sequence[str] = (),
        begins: Begins | None = None,
    ) -> Callable[[type[T]], type[T]]: ...
    @dataclass_transform(frozen_default=True)
    @takes('@domain.reactor, or @domain.reactor(key="order_id")')
    def reactor(
        self,
        cls: type[T] | None = None,
        /,
        *,
        key: str | None = None,
        name: str | None = None,
        was: Sequence[str] = (),
        begins: Begins | None = None,
    ) -> type[T] | Callable[[type[T]], type[T]]:
        """Declares a reactor: a class whose methods turn an event into commands.

        key: a field of every event and command that it takes. With a key the reactor keeps a state, its own
        fields, for each value of the key, and a method returns the next state beside its commands.
        name, was: see Domain. begins: where a new reactor begins if the log has events, "now" or "beginning";
        without it, a new reactor is refused then. Raises DefinitionError.
        """
        register: Callable[[type[T]], type[T]] = self._reacting(key, Lifetime(), name, was, begins)
        return register if cls is None else register(cls)

    @dataclass_transform(frozen_default=True)
    @needs_parentheses('@domain.process(key="order_id", starts={OrderPlaced})')
    def process(
        self,
        /,
        *,
        key: str,
        starts: Collection[type],
        ends: Collection[type] = (),
        name: str | None = None,
        was: Sequence[str] = (),
        begins: Begins | None = None,
    ) -> Callable[[type[T]], type[T]]:
        """Declares a process: a reactor with a key, whose states have a beginning and an end.

        A state begins with an event of `starts` and ends with one of `ends`. Any other event is ignored if
        its key has no state. An event whose key is None is ignored too. For the names and `begins` see
        `reactor`. Raises DefinitionError.
        """
        for word, given in (("starts", starts), ("ends", ends)):
            if isinstance(given, type):
                problem = f"{word} must be a collection: {word}={{{given.__name__}}}"
                raise DefinitionError(running(), f"@domain.process: {problem}")
        return self._reacting(key, Lifetime(frozenset(starts), frozenset(ends)), name, was, begins)

    @needs_parentheses("@domain.effect(MoneyWithdrawn)", takes_classes=True)
    def effect(
        self,
        *events: type,
        name: str | None = None,
        was: Sequence[str] = (),
        begins: Begins | None = None,
        **limits: Unpack[EffectLimits],
    ) -> Callable[[Effect], Effect]:
        """Declares an effect: an async function that is called at least once for each of these events.

        For the names and `begins` see `reactor`, for the limits EffectType. Raises DefinitionError.
        """
        known = self._event_classes()
        return registering(self.effects, events, known, limits, self.names, name, was, begins)

    @needs_parentheses('@domain.every("0 7 * * *")')
    def every(
        self, expression: str, /, *, name: str | None = None, was: Sequence[str] = ()
    ) -> Callable[[F], F]:
        """Declares recurring commands: a function from the time of a tick (UTC) to the commands to send.

        expression: a cron expression. The commands of a tick are sent once, however many processes run.
        Only the next tick is scheduled in advance: it comes even if no process runs then. Later ticks are
        skipped until a process runs again. name, was: see Domain. Raises DefinitionError.
        """

        def register(function: F) -> F:
            names = given_names("recurring", getattr(function, "__name__", ""), name, was)
            type_ = recurring_type(expression, function, names)
            self.names.claim(names, type_.where)
            self.recurring[type_.name] = type_
            return function

        return register

    def retired(
        self,
        *,
        events: Sequence[str] = (),
        commands: Sequence[str] = (),
        aggregates: Sequence[str] = (),
        projections: Sequence[str] = (),
        reactors: Sequence[str] = (),
        effects: Sequence[str] = (),
        recurring: Sequence[str] = (),
        unique_keys: Sequence[str] = (),
    ) -> None:
        """Declares stored names whose definitions are gone for good, so that no part reports them.

        Streams of a retired aggregate, and events of a retired type, stay in the log and are not read.
        Raises DefinitionError if a definition has one of these names.
        """
        for kind, names in (
            ("event", events),
            ("command", commands),
            ("aggregate", aggregates),
            ("projection", projections),
            ("reactor", reactors),
            ("effect", effects),
            ("recurring", recurring),
            ("unique key", unique_keys),
        ):
            self.names.retire(kind, names)

    def _reacting(
        self,
        key: str | None,
        lifetime: Lifetime,
        name: str | None,
        was: Sequence[str],
        begins: Begins | None,
    ) -> Callable[[type[T]], type[T]]:
        def register(cls: type[T]) -> type[T]:
            names = given_names("reactor", cls.__name__, name, was, in_lower_case=True)
            check_begins(begins, cls.__name__)
            classes = self._command_classes(), self._event_classes()
            type_ = reactor_type(cls, names.stored, *classes, key=key, lifetime=lifetime, begins=begins)
            self.names.claim(names, type_.where)
            self.reactors[type_.name] = type_
            return type_.cls

        return register
