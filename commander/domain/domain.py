"""Domain: the registry in which an author declares events, commands, aggregates and projections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, TypeVar, dataclass_transform, overload

import msgspec

from commander.domain.aggregates import AggregateType, aggregate_type
from commander.domain.code import DomainCode, code_of, domain_fingerprint
from commander.domain.errors import DefinitionError, UndecodableEvent, UnknownEvent
from commander.domain.hooks import HookedDomain
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
"""Turns the JSON object of an event at one schema version into that of the next version."""

REACTION_REJECTED = "ReactionRejected"
REACTION_AGGREGATE = "reaction"
_QUERIES = {"event", "events", "command", "commands", "lineage"}


class Domain(ReactingDomain, HookedDomain):
    """Events, commands, aggregates, projections and reactors of one bounded context.

    Each decorator checks its class at once and raises DefinitionError with file and line. `check` checks the
    domain as a whole; it runs when the domain is loaded.
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

    # Decorators. `dataclass_transform` lets pyright see the dataclass. mypy ignores it on methods: with mypy,
    # write @dataclass(frozen=True) below the decorator. Both forms are accepted.

    @overload
    def event(self, cls: type[T], /) -> type[T]: ...
    @overload
    def event(self, /, *, version: int) -> Callable[[type[T]], type[T]]: ...
    @dataclass_transform(frozen_default=True)
    def event(
        self, cls: type[T] | None = None, /, *, version: int = 1
    ) -> type[T] | Callable[[type[T]], type[T]]:
        """Declares an event.

        version: the schema version stored with it; increase it when its shape changes.
        """

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
        """Declares a command. Its docstring describes the mutation.

        The constraints of its fields are checked before the command is accepted. internal: only reactors
        send it; it has no mutation.
        """

        def register(cls: type[T]) -> type[T]:
            type_ = command_type(frozen_dataclass(cls), internal)
            self._claim(type_.name, type_.where)
            self._mark(type_)
            self.commands[type_.name] = type_
            return type_.cls

        return register if cls is None else register(cls)

    def upcast(self, event: type, /, *, from_version: int) -> Callable[[Upcast], Upcast]:
        """Declares a function that turns the JSON of `event` at from_version into that of the next version.

        A version step needs no function if the change is compatible: a field with a default was added, or a
        field was removed.
        """

        def register(function: Upcast) -> Upcast:
            where = where_is(function)
            type_ = self.events.get(event.__name__)
            if type_ is None or type_.cls is not event:
                raise DefinitionError(where, f"{event.__name__} is not an event of the domain {self.name}")
            if not 1 <= from_version < type_.version:
                problem = f"from_version must be at least 1 and less than {type_.version}, its version"
                raise DefinitionError(where, f"{event.__name__}: {problem}; got {from_version}")
            if (type_.name, from_version) in self._upcasts:
                raise DefinitionError(where, f"{event.__name__} has two upcasts from version {from_version}")
            self._upcasts[type_.name, from_version] = function
            return function

        return register

    @dataclass_transform(frozen_default=True)
    def aggregate(self, /, *, key: str) -> Callable[[type[T]], type[T]]:
        """Declares an aggregate. Its fields are the state; its methods decide commands and apply events.

        key: the field of its commands that identifies the instance.
        """

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
        """Declares a read table. name and plural (by default name + s) become the query fields.

        key: the field that identifies a row.
        indexes: columns that a list is filtered and ordered by. A tuple of columns is one index over them.
        filterable: columns that a list is filtered by without an index. Such a filter may read most of the
        table for one page.
        inline: rows are written in the transaction that stores the events, so the table never lags.
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

    def aggregate_of_command(self, name: str) -> AggregateType:
        """The aggregate that decides this command. Raises KeyError for an unknown name."""
        return self._aggregate_of_command[name]

    def aggregate_of_event(self, name: str) -> AggregateType:
        """The aggregate that evolves by this event. Raises KeyError for an unknown name."""
        return self._aggregate_of_event[name]

    def event_type(self, name: str) -> EventType | None:
        """The event type with this stored name, or None. The built-in ReactionRejected is one too."""
        return self.rejection if name == REACTION_REJECTED else self.events.get(name)

    def decode(self, type_name: str, schema_version: int, data: bytes | str, position: int) -> Any:
        """A stored event as an instance of its class, upcast to the current schema version.

        Every read of the log goes through here. Raises UnknownEvent if the domain has no such type, or if the
        version is newer than the code's; UndecodableEvent if the data does not fit the class.
        """
        type_ = self.event_type(type_name)
        if type_ is None or schema_version > type_.version:
            raise UnknownEvent(position, type_name, schema_version, self.name, type_)
        if schema_version == type_.version:
            return type_.decode(data, position)
        return type_.from_json(self._upcasted(type_, schema_version, data, position), position)

    def _upcasted(self, type_: EventType, schema_version: int, data: bytes | str, position: int) -> Any:
        """The JSON of an older event, upcast to the current schema version."""
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

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the domain's code. Use it after the domain is complete."""
        return domain_fingerprint(self, (self._upcasts[key] for key in sorted(self._upcasts)))

    @property
    def code(self) -> DomainCode:
        """What this code knows. Use it after the domain is complete."""
        return code_of(self, self.fingerprint)

    def fingerprint_of(self, aggregate: AggregateType) -> str:
        """A digest of the code that folds this aggregate: its class, its events' classes and their upcasts.

        A snapshot is valid only for the code that made it. The digest does not cover code that these call.
        If such code changes the result of a fold, change the aggregate's class too; a comment is enough.
        """
        known = self._fingerprints.get(aggregate.name)
        if known is None:
            names = sorted(cls.__name__ for cls in aggregate.evolvers)
            upcasts = [self._upcasts[key] for key in sorted(self._upcasts) if key[0] in names]
            known = fingerprint(aggregate.cls, *(self.events[name].cls for name in names), *upcasts)
            self._fingerprints[aggregate.name] = known
        return known

    def type_of(self, message: object) -> EventType | CommandType:
        """The type of an event or command instance. Raises TypeError if it belongs to another domain."""
        owner, type_ = getattr(type(message), "__commander__", (None, None))
        if owner is not self or not isinstance(type_, EventType | CommandType):
            name = type(message).__name__
            raise TypeError(f"{name} is not an event or a command of the domain {self.name}")
        return type_

    def check(self) -> None:
        """Raises DefinitionError if a command or an event has no aggregate, or the domain has no commands."""
        if not self.commands:
            raise DefinitionError(self.where, f"the domain {self.name} has no commands")
        for command in self.commands.values():
            if command.name not in self._aggregate_of_command:
                raise DefinitionError(command.where, f"no aggregate decides the command {command.name}")
        for event in self.events.values():
            if event.name not in self._aggregate_of_event:
                raise DefinitionError(event.where, f"no aggregate evolves by the event {event.name}")

    def _mark(self, type_: EventType | CommandType) -> None:
        """Marks the class with its domain and its type. A class can belong to one domain only."""
        owner, _ = type_.cls.__dict__.get("__commander__", (self, None))
        if owner is not self:
            raise DefinitionError(running(), f"{type_.name} already belongs to the domain {owner.name}")
        type_.cls.__commander__ = (self, type_)  # type: ignore[attr-defined]

    def _event_classes(self) -> Mapping[type, EventType]:
        return {type_.cls: type_ for type_ in self.events.values()}

    def _command_classes(self) -> Mapping[type, CommandType]:
        return {type_.cls: type_ for type_ in self.commands.values()}

    def _own(self, aggregate: AggregateType) -> None:
        evolved, decided = self._aggregate_of_event, self._aggregate_of_command
        for owned, table in ((aggregate.evolvers, evolved), (aggregate.deciders, decided)):
            for cls in owned:
                if cls.__name__ in table:
                    problem = f"already belongs to the aggregate {table[cls.__name__].cls.__name__}"
                    raise DefinitionError(aggregate.where, f"{cls.__name__} {problem}")
                table[cls.__name__] = aggregate

    def _claim(self, name: str, where: str) -> None:
        """Raises DefinitionError unless no other event, command or projection has this GraphQL type name."""
        check_name(name, where, name)
        projections = {n[0].upper() + n[1:] for n in self.projections}
        if name in self.events or name in self.commands or name in projections or name == REACTION_REJECTED:
            raise DefinitionError(running(), f"the name {name} is taken in the domain {self.name}")
