"""Domain: the registry that a domain's author writes against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, dataclass_transform, overload

import msgspec

from commander.domain.aggregates import AggregateType, aggregate_type
from commander.domain.errors import DefinitionError, UndecodableEvent
from commander.domain.messages import (
    CommandType,
    EventType,
    command_type,
    event_type,
    frozen_dataclass,
)
from commander.domain.names import check_name
from commander.domain.projections import Indexes, ProjectionType, projection_type
from commander.domain.reacting import ReactingDomain
from commander.domain.reactors import RecordedRejection
from commander.domain.source import fingerprint, running, where_is

T = TypeVar("T")

Upcast = Callable[[dict[str, Any]], dict[str, Any]]
"""From the JSON of an event at one version to its JSON at the next."""

REACTION_REJECTED = "ReactionRejected"
REACTION_AGGREGATE = "reaction"
_QUERIES = {"event", "events", "command", "commands", "lineage"}


class Domain(ReactingDomain):
    """Events, commands, aggregates, projections and reactors of one bounded context.

    Each decorator checks its class at once and raises DefinitionError with file and line; `check` looks at
    the whole, and runs when the domain is loaded.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.where = running()
        check_name(name, self.where, f"the domain {name!r}")
        self.name = name
        self.events: dict[str, EventType] = {}
        self.commands: dict[str, CommandType] = {}
        self.aggregates: dict[str, AggregateType] = {}
        self.projections: dict[str, ProjectionType] = {}
        self._upcasts: dict[tuple[str, int], Upcast] = {}
        self._fingerprints: dict[str, str] = {}
        self._aggregate_of_event: dict[str, AggregateType] = {}
        self._aggregate_of_command: dict[str, AggregateType] = {}
        rejection = event_type(RecordedRejection, 1)
        self.rejection = EventType(
            REACTION_REJECTED,
            rejection.cls,
            1,
            rejection.fields,
            "A command that a reactor sent was rejected or failed.",
            rejection.where,
        )

    # Decorators. `dataclass_transform` lets pyright see the dataclass; mypy does not look at methods, so
    # where mypy is used, write @dataclass(frozen=True) below the decorator: both forms are accepted.

    @overload
    def event(self, cls: type[T], /) -> type[T]: ...
    @overload
    def event(self, /, *, version: int) -> Callable[[type[T]], type[T]]: ...
    @dataclass_transform(frozen_default=True)
    def event(
        self, cls: type[T] | None = None, /, *, version: int = 1
    ) -> type[T] | Callable[[type[T]], type[T]]:
        """An event. version: the schema version stored with it, raised when its shape changes."""

        def register(cls: type[T]) -> type[T]:
            type_ = event_type(frozen_dataclass(cls), version)
            self._claim(type_.name, type_.where)
            self._mark(type_)
            self.events[type_.name] = type_
            return type_.cls

        return register if cls is None else register(cls)

    @overload
    def command(self, cls: type[T], /) -> type[T]: ...
    @overload
    def command(self, /, *, internal: bool) -> Callable[[type[T]], type[T]]: ...
    @dataclass_transform(frozen_default=True)
    def command(
        self, cls: type[T] | None = None, /, *, internal: bool = False
    ) -> type[T] | Callable[[type[T]], type[T]]:
        """A command. Its docstring describes the mutation; constraints on its fields are checked first.

        internal: only reactors send it; there is no mutation for it.
        """

        def register(cls: type[T]) -> type[T]:
            type_ = command_type(frozen_dataclass(cls), internal)
            self._claim(type_.name, type_.where)
            self._mark(type_)
            self.commands[type_.name] = type_
            return type_.cls

        return register if cls is None else register(cls)

    def upcast(self, event: type, /, *, from_version: int) -> Callable[[Upcast], Upcast]:
        """A function from the JSON of `event` as stored at from_version to that of the next version.

        Versions without one changed compatibly: a field with a default was added, or one taken away.
        """

        def register(function: Upcast) -> Upcast:
            where = where_is(function)
            type_ = self.events.get(event.__name__)
            if type_ is None or type_.cls is not event:
                raise DefinitionError(where, f"{event.__name__} is no event of the domain {self.name}")
            if not 1 <= from_version < type_.version:
                problem = (
                    f"{event.__name__} is at version {type_.version}: there is no step from {from_version}"
                )
                raise DefinitionError(where, problem)
            if (type_.name, from_version) in self._upcasts:
                raise DefinitionError(where, f"{event.__name__} is upcast from {from_version} twice")
            self._upcasts[type_.name, from_version] = function
            return function

        return register

    @dataclass_transform(frozen_default=True)
    def aggregate(self, /, *, key: str) -> Callable[[type[T]], type[T]]:
        """An aggregate: its fields are the state, its methods decide commands and evolve by events."""

        def register(cls: type[T]) -> type[T]:
            type_ = aggregate_type(frozen_dataclass(cls), key, self._command_classes(), self._event_classes())
            check_name(cls.__name__, type_.where, cls.__name__)
            if type_.name in self.aggregates or type_.name == REACTION_AGGREGATE:
                raise DefinitionError(running(), f"the aggregate name {type_.name} is taken")
            self._own(type_)
            self.aggregates[type_.name] = type_
            return type_.cls

        return register

    @dataclass_transform(frozen_default=True)
    def projection(
        self,
        name: str,
        /,
        *,
        key: str,
        plural: str | None = None,
        indexes: Indexes = (),
        filterable: tuple[str, ...] = (),
        inline: bool = False,
    ) -> Callable[[type[T]], type[T]]:
        """A read table. name and plural (by default name + s) become the query fields.

        indexes: columns to filter and order the list by; a tuple of columns is one index over them together.
        filterable: columns to filter by without an index: a page may then read much of the table.
        inline: write its rows in the transaction that stores the events, so that it is never behind.
        """

        def register(cls: type[T]) -> type[T]:
            cls = frozen_dataclass(cls)
            known = self._event_classes()
            type_ = projection_type(cls, name, plural or f"{name}s", key, indexes, filterable, inline, known)
            taken = set(_QUERIES)
            for other in self.projections.values():
                taken |= {other.name, other.plural}
            for query in (type_.name, type_.plural):
                check_name(query, type_.where, f"the projection {query!r}")
                if query in taken:
                    raise DefinitionError(running(), f"the projection name {query} is taken")
                taken.add(query)
            self._claim(type_.name[0].upper() + type_.name[1:], type_.where)
            self.projections[name] = type_
            return type_.cls

        return register

    # What the parts ask.

    def aggregate_of_command(self, name: str) -> AggregateType:
        return self._aggregate_of_command[name]

    def aggregate_of_event(self, name: str) -> AggregateType:
        return self._aggregate_of_event[name]

    def event_type(self, name: str) -> EventType | None:
        """The event type by its stored name, the built-in ReactionRejected included."""
        return self.rejection if name == REACTION_REJECTED else self.events.get(name)

    def decode(self, type_name: str, schema_version: int, data: bytes | str, position: int) -> Any:
        """A stored event as an instance of its class: the one way from the log to the domain.

        Raises UndecodableEvent, with the position, for a type that is gone or data that does not fit.
        """
        type_ = self.event_type(type_name)
        if type_ is None:
            raise UndecodableEvent(position, type_name, f"the domain {self.name} has no such event")
        if schema_version > type_.version:
            reason = f"it was stored with version {schema_version}, newer than this code's {type_.version}"
            raise UndecodableEvent(position, type_name, reason)
        if schema_version == type_.version:
            return type_.decode(data, position)
        return type_.from_json(self._upcasted(type_, schema_version, data, position), position)

    def _upcasted(self, type_: EventType, schema_version: int, data: bytes | str, position: int) -> Any:
        """The JSON of an older event as its newest version would have it."""
        value = msgspec.json.decode(data)
        for version in range(schema_version, type_.version):
            upcast = self._upcasts.get((type_.name, version))
            if upcast is None:
                continue
            try:
                value = upcast(value)
            except Exception as error:  # the domain's code may raise anything
                reason = f"upcasting from version {version} raised {type(error).__name__}: {error}"
                raise UndecodableEvent(position, type_.name, reason) from error
        return value

    def fingerprint_of(self, aggregate: AggregateType) -> str:
        """Which code folds this aggregate: its class, its events' classes and their upcasts.

        A snapshot counts only for the code that made it. Code that these call is not seen: when it changes
        what a fold gives, change the aggregate's class with it (a comment will do).
        """
        known = self._fingerprints.get(aggregate.name)
        if known is None:
            names = sorted(cls.__name__ for cls in aggregate.evolvers)
            upcasts = [self._upcasts[key] for key in sorted(self._upcasts) if key[0] in names]
            known = fingerprint(aggregate.cls, *(self.events[name].cls for name in names), *upcasts)
            self._fingerprints[aggregate.name] = known
        return known

    def type_of(self, message: object) -> EventType | CommandType:
        """The type of an event or command instance. Raises TypeError if it is none of this domain's."""
        owner, type_ = getattr(type(message), "__commander__", (None, None))
        if owner is not self or not isinstance(type_, EventType | CommandType):
            raise TypeError(f"{type(message).__name__} is no event or command of the domain {self.name}")
        return type_

    def check(self) -> None:
        """Raises DefinitionError for a command nobody decides, an event nobody evolves, an empty domain."""
        if not self.commands:
            raise DefinitionError(self.where, f"the domain {self.name} has no commands")
        for command in self.commands.values():
            if command.name not in self._aggregate_of_command:
                raise DefinitionError(command.where, f"no aggregate decides the command {command.name}")
        for event in self.events.values():
            if event.name not in self._aggregate_of_event:
                raise DefinitionError(event.where, f"no aggregate evolves by the event {event.name}")

    def _mark(self, type_: EventType | CommandType) -> None:
        """A class leads to its domain and its type there; so it can have but one of each."""
        owner, _ = type_.cls.__dict__.get("__commander__", (self, None))
        if owner is not self:
            problem = f"{type_.name} belongs to the domain {owner.name} already"
            raise DefinitionError(running(), problem)
        type_.cls.__commander__ = (self, type_)  # type: ignore[attr-defined]

    def _event_classes(self) -> Mapping[type, EventType]:
        return {type_.cls: type_ for type_ in self.events.values()}

    def _command_classes(self) -> Mapping[type, CommandType]:
        return {type_.cls: type_ for type_ in self.commands.values()}

    def _own(self, aggregate: AggregateType) -> None:
        for owned, table in (
            (aggregate.evolvers, self._aggregate_of_event),
            (aggregate.deciders, self._aggregate_of_command),
        ):
            for cls in owned:
                if cls.__name__ in table:
                    other = table[cls.__name__].cls.__name__
                    raise DefinitionError(
                        aggregate.where, f"{cls.__name__} belongs to the aggregate {other} already"
                    )
                table[cls.__name__] = aggregate

    def _claim(self, name: str, where: str) -> None:
        """Each event, command and projection needs a GraphQL type name of its own."""
        check_name(name, where, name)
        projections = {n[0].upper() + n[1:] for n in self.projections}
        if name in self.events or name in self.commands or name in projections or name == REACTION_REJECTED:
            raise DefinitionError(running(), f"the name {name} is taken in the domain {self.name}")
