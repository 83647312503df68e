"""Reading stored events of earlier versions: upcasts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from commander.domain.errors import RAISED, DefinitionError, UndecodableEvent, UnknownEvent
from commander.domain.lookups import DomainLookups
from commander.domain.messages import EventType
from commander.domain.parentheses import needs_parentheses
from commander.domain.source import raised, where_is

Upcast = Callable[[dict[str, Any]], dict[str, Any]]
"""Turns the JSON object of an event at one schema version into that of the next version."""


class UpcastingDomain(DomainLookups):
    """The part of Domain that reads stored events; see Domain."""

    name: str

    def __init__(self) -> None:
        super().__init__()
        self.upcasts: dict[tuple[str, int], Upcast] = {}

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
