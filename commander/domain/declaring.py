"""The decorators for events and commands; see Domain."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeVar, dataclass_transform, overload

from commander.domain.errors import DefinitionError
from commander.domain.lookups import DomainLookups
from commander.domain.messages import CommandType, EventType, command_type, event_type, frozen_dataclass
from commander.domain.naming import GivenNames, given_names
from commander.domain.parentheses import takes
from commander.domain.rules import Allow, Visibility
from commander.domain.source import running

T = TypeVar("T")


class DeclaringDomain(DomainLookups):
    """The part of Domain with the decorators for events and commands.

    `dataclass_transform` lets pyright see the dataclass. mypy ignores it on methods: with mypy, write
    @dataclass(frozen=True) below the decorator. Both forms are accepted.
    """

    @abstractmethod
    def _claim(self, names: GivenNames, where: str) -> None: ...

    @overload
    def event(self, cls: type[T], /) -> type[T]: ...
    @overload
    def event(
        self,
        /,
        *,
        version: int = 1,
        name: str | None = None,
        was: Sequence[str] = (),
        deprecated: str | None = None,
        visible: Visibility | None = None,
    ) -> Callable[[type[T]], type[T]]: ...
    @dataclass_transform(frozen_default=True)
    @takes("@domain.event, or @domain.event(version=2)")
    def event(
        self,
        cls: type[T] | None = None,
        /,
        *,
        version: int = 1,
        name: str | None = None,
        was: Sequence[str] = (),
        deprecated: str | None = None,
        visible: Visibility | None = None,
    ) -> type[T] | Callable[[type[T]], type[T]]:
        """Declares an event.

        version: the schema version stored with it; increase it when its shape changes. deprecated: why
        clients should no longer use it, and what to use instead. visible: who sees it, see rules.py; without
        it, operators alone.
        """

        def register(cls: type[T]) -> type[T]:
            names = given_names("event", cls.__name__, name, was)
            type_ = event_type(frozen_dataclass(cls), version, names, deprecated, visible)
            self._claim(names, type_.where)
            self._mark(type_)
            self._add_event(type_)
            return type_.cls

        return register if cls is None else register(cls)

    @overload
    def command(self, cls: type[T], /) -> type[T]: ...
    @overload
    def command(
        self,
        /,
        *,
        internal: bool = False,
        rejects: Sequence[str] | None = None,
        name: str | None = None,
        was: Sequence[str] = (),
        deprecated: str | None = None,
        allow: Allow | None = None,
    ) -> Callable[[type[T]], type[T]]: ...
    @dataclass_transform(frozen_default=True)
    @takes("@domain.command, or @domain.command(internal=True)")
    def command(
        self,
        cls: type[T] | None = None,
        /,
        *,
        internal: bool = False,
        rejects: Sequence[str] | None = None,
        name: str | None = None,
        was: Sequence[str] = (),
        deprecated: str | None = None,
        allow: Allow | None = None,
    ) -> type[T] | Callable[[type[T]], type[T]]:
        """Declares a command. Its docstring describes the mutation.

        The constraints of its fields are checked before the command is accepted. internal: only reactors
        send it; it has no mutation. deprecated: why clients should no longer send it, and what to send
        instead. rejects: the codes that its decider raises, by default those that are found in its source.
        allow: who may send it, see rules.py; without it, operators alone.
        """

        def register(cls: type[T]) -> type[T]:
            names = given_names("command", cls.__name__, name, was)
            type_ = command_type(frozen_dataclass(cls), internal, names, deprecated, rejects, allow)
            self._claim(names, type_.where)
            self._mark(type_)
            self._add_command(type_)
            return type_.cls

        return register if cls is None else register(cls)

    def _mark(self, type_: EventType | CommandType) -> None:
        """Marks the class with its domain and its type. A class can belong to one domain only."""
        owner, _ = type_.cls.__dict__.get("__commander__", (self, None))
        if owner is not self:
            raise DefinitionError(running(), f"{type_.name} already belongs to the domain {owner.name}")
        type_.cls.__commander__ = (self, type_)  # type: ignore[attr-defined]
