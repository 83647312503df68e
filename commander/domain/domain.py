"""Domain: the registry in which an author declares events, commands, aggregates and projections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, TypeVar, dataclass_transform

import msgspec

from commander.domain.aggregates import AggregateType, aggregate_type
from commander.domain.class_bodies import check_still_frozen
from commander.domain.code import DomainCode, code_of
from commander.domain.deciding import DecidingDomain
from commander.domain.declaring import DeclaringDomain
from commander.domain.errors import RAISED, DefinitionError, UndecodableEvent, UnknownEvent
from commander.domain.fingerprints import Fingerprints
from commander.domain.guards import check_guards
from commander.domain.links import links_of
from commander.domain.lookups import REACTION_AGGREGATE, REACTION_REJECTED
from commander.domain.messages import CommandType, EventType, frozen_dataclass
from commander.domain.names import check_name
from commander.domain.naming import GivenNames, check_public, given_names
from commander.domain.parentheses import needs_parentheses
from commander.domain.projections import Indexes, ProjectionType, declared_rows, projection_type
from commander.domain.reacting import ReactingDomain
from commander.domain.reactors import ReactorType
from commander.domain.rejection_codes import RejectingDomain
from commander.domain.revoking import RevokingDomain
from commander.domain.rules import Visibility
from commander.domain.ruling import RuledDomain
from commander.domain.source import raised, running, where_is
from commander.domain.unique import Unique, UniqueRule

T = TypeVar("T")

Upcast = Callable[[dict[str, Any]], dict[str, Any]]
"""Turns the JSON object of an event at one schema version into that of the next version."""

_QUERIES = {"event", "events", "command", "commands", "lineage"}


class Domain(DeclaringDomain, DecidingDomain, ReactingDomain, RejectingDomain, RuledDomain, RevokingDomain):
    """Events, commands, aggregates, projections and reactors of one bounded context.

    Each decorator checks its class at once and raises DefinitionError with file and line. `check` checks the
    domain as a whole; it runs when the domain is loaded.

    Most decorators take `name` and `was`. name: the name that is stored and that the API shows, by default
    that of the class or the function. was: earlier names, oldest first. What is stored keeps the first of
    them for good; see naming.py.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.where = running()
        check_name(name, self.where, f"the domain {name!r}")
        self.name = name
        self.upcasts: dict[tuple[str, int], Upcast] = {}
        self._fingerprints = Fingerprints(self)

    @needs_parentheses("@domain.upcast(Event, from_version=1)", takes_classes=True)
    def upcast(self, event: type, /, *, from_version: int) -> Callable[[Upcast], Upcast]:
        """Declares a function that turns the JSON of `event` at from_version into that of the next version.

        A version step needs no function if the change is compatible: a field with a default was added, or a
        field was removed.
        """

        def register(function: Upcast) -> Upcast:
            where = where_is(function)
            type_ = self.event_of.get(event)
            if type_ is None:
                raise DefinitionError(where, f"{event.__name__} is not an event of the domain {self.name}")
            if not 1 <= from_version < type_.version:
                problem = f"from_version must be at least 1 and less than {type_.version}, its version"
                raise DefinitionError(where, f"{event.__name__}: {problem}; got {from_version}")
            if (type_.name, from_version) in self.upcasts:
                raise DefinitionError(where, f"{event.__name__} has two upcasts from version {from_version}")
            self.upcasts[type_.name, from_version] = function
            return function

        return register

    @dataclass_transform(frozen_default=True)
    @needs_parentheses('@domain.aggregate(key="account_id")')
    def aggregate(
        self,
        /,
        *,
        key: str,
        name: str | None = None,
        was: Sequence[str] = (),
        unique: Sequence[str | tuple[str, ...] | Unique] = (),
    ) -> Callable[[type[T]], type[T]]:
        """Declares an aggregate. Its fields are the state; its methods decide commands and apply events.

        key: the field of its commands that identifies the instance.
        unique: fields of the state that no two of its streams have in common. A tuple of fields is one key of
        them together. See Unique for keys that a function makes.
        """

        def register(cls: type[T]) -> type[T]:
            names = given_names("aggregate", cls.__name__, name, was, in_lower_case=True)
            classes = self._command_classes(), self._event_classes()
            type_ = aggregate_type(frozen_dataclass(cls), key, *classes, names, unique)
            check_public(names, type_.where)
            if REACTION_AGGREGATE in names.all:
                raise DefinitionError(running(), f"the aggregate name {REACTION_AGGREGATE} is taken")
            self.names.claim(names, type_.where)
            for rule in type_.unique:
                self.names.claim(GivenNames("unique key", rule.stored_name, ()), type_.where)
            self._add_aggregate(type_)
            return type_.cls

        return register

    @dataclass_transform(frozen_default=True)
    @needs_parentheses('@domain.projection("account", key="account_id")')
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
        was: Sequence[str] = (),
        visible: Visibility | None = None,
    ) -> Callable[[type[T]], type[T]]:
        """Declares a read table. name and plural (by default name + s) become the query fields.

        was: earlier names, see Domain. Its tables and the command line keep the first of them.
        key: the field that identifies a row.
        indexes: columns that a list is filtered and ordered by. A tuple of columns is one index over them.
        filterable: columns that a list is filtered by without an index. Such a filter may read most of the
        table for one page.
        inline: rows are written in the transaction that stores the events, so the table never lags.
        visible: who sees a row, see rules.py; without it, operators alone.
        """

        def register(cls: type[T]) -> type[T]:
            cls = frozen_dataclass(cls)
            known, names = self._event_classes(), given_names("projection", name, None, was)
            made_of = cls, names, plural or f"{name}s", key, indexes, filterable, inline, known
            type_ = projection_type(*made_of, self.fingerprint_of, visible)
            taken = set(_QUERIES)
            for other in self.projections.values():
                taken |= {other.query, other.plural}
            for query in (type_.query, type_.plural):
                check_name(query, type_.where, f"the projection {query!r}")
                if query in taken:
                    raise DefinitionError(running(), f"the projection name {query} is taken")
                taken.add(query)
            self._claim_type(type_.query[0].upper() + type_.query[1:], type_.where)
            self.names.claim(names, type_.where)
            self.projections[type_.name] = type_
            type_.cls.__commander_rows__ = (*declared_rows(cls), (self, type_))  # type: ignore[attr-defined]
            return type_.cls

        return register

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
            upcast = self.upcasts.get((type_.name, version))
            if upcast is None:
                continue
            try:
                value = upcast(value)
            except RAISED as error:  # the domain's code may raise anything
                reason = f"upcasting from version {version} raised {raised(error)}"
                raise UndecodableEvent(position, type_.name, reason) from error
        return value

    @cached_property
    def code(self) -> DomainCode:
        """What the code of the complete domain knows."""
        return code_of(self, self._fingerprints.of(None))

    def fingerprint_of(self, part: AggregateType | ProjectionType | ReactorType) -> str:
        """A digest of the code that folds this part: its class, its events, their upcasts, what they reach.

        A snapshot and a table are valid only for the code that made them.
        """
        return self._fingerprints.of(part)

    def fingerprint_of_rule(self, rule: UniqueRule) -> str:
        """A digest of the code that the keys of a unique rule depend on.

        That is the class of the states, its events and their upcasts, the functions of the rule, and what
        they reach. Stored keys are valid only for the code that made them.
        """
        return self._fingerprints.of(rule)

    def type_of(self, message: object) -> EventType | CommandType:
        """The type of an event or command instance. Raises TypeError if it belongs to another domain."""
        owner, type_ = getattr(type(message), "__commander__", (None, None))
        if owner is not self or not isinstance(type_, EventType | CommandType):
            name = type(message).__name__
            raise TypeError(f"{name} is not an event or a command of the domain {self.name}")
        return type_

    def check(self) -> None:
        """Raises DefinitionError for a mistake that only the domain as a whole shows.

        A command or an event has no aggregate, the domain has no commands, a reference leads nowhere.
        """
        for types in (
            self.commands,
            self.events,
            self.aggregates,
            self.decision_models,
            self.projections,
        ):
            for one in types.values():
                check_still_frozen(one.cls, one.where)
        if not self.commands:
            raise DefinitionError(self.where, f"the domain {self.name} has no commands")
        for command in self.commands.values():
            if command.name not in self._aggregate_of_command:
                raise DefinitionError(command.where, f"no aggregate decides the command {command.name}")
        for event in self.events.values():
            if event.name not in self._aggregate_of_event:
                raise DefinitionError(event.where, f"no aggregate evolves by the event {event.name}")
        for aggregate in self.aggregates.values():
            decided = {command.cls for command in self.commands_of(aggregate)}
            check_guards(aggregate.cls, aggregate.guards, decided.__contains__)
        links_of(self.projections)
        if any(command.rejects is not None for command in self.commands.values()):
            _ = self.rejection_codes
        self._check_rules()

    def _claim(self, names: GivenNames, where: str) -> None:
        """Raises DefinitionError unless the names of an event or a command are free."""
        check_public(names, where)
        self._claim_type(REACTION_REJECTED if REACTION_REJECTED in names.was else names.name, where)
        self.names.claim(names, where)

    def _claim_type(self, name: str, where: str) -> None:
        """Raises DefinitionError unless no other event, command or projection has this GraphQL type name."""
        check_name(name, where, name)
        types: dict[str, EventType | CommandType | ProjectionType] = {**self.events, **self.commands}
        types |= {one.query[0].upper() + one.query[1:]: one for one in self.projections.values()}
        if name == REACTION_REJECTED:
            raise DefinitionError(running(), f"the name {name} is taken by an event of Commander")
        if name in types:
            problem = f"the name {name} is taken in the domain {self.name}: it is defined at"
            raise DefinitionError(running(), f"{problem} {types[name].where}")
