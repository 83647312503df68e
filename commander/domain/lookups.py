"""The lookups of a domain: its events, commands and aggregates by class, and by each name that is stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from commander.domain.aggregates import AggregateType
from commander.domain.errors import DefinitionError
from commander.domain.messages import CommandType, EventType, event_type, registered
from commander.domain.naming import GivenNames
from commander.domain.reactors import RecordedRejection

REACTION_REJECTED = "ReactionRejected"
REACTION_AGGREGATE = "reaction"


class DomainLookups:
    """The part of Domain that finds definitions; see Domain.

    rejection: the built-in event ReactionRejected.
    """

    def __init__(self) -> None:
        super().__init__()
        self.events: dict[str, EventType] = {}
        self.commands: dict[str, CommandType] = {}
        self.aggregates: dict[str, AggregateType] = {}
        self.event_of: dict[type, EventType] = {}
        self._command_of: dict[type, CommandType] = {}
        self._aggregate_of_event: dict[str, AggregateType] = {}
        self._aggregate_of_command: dict[str, AggregateType] = {}
        doc = "A command that a reactor sent was rejected or failed."
        made = event_type(RecordedRejection, 1, GivenNames("event", REACTION_REJECTED, ()))
        self.rejection = EventType(made.name, made.cls, 1, made.fields, doc, made.where)
        self._stored_events: dict[str, EventType] = {REACTION_REJECTED: self.rejection}
        self._stored_commands: dict[str, CommandType] = {}
        self._stored_aggregates: dict[str, AggregateType] = {}

    def aggregate_of_command(self, name: str) -> AggregateType:
        """The aggregate that decides this command. Raises KeyError for an unknown name."""
        return self._aggregate_of_command[name]

    def aggregate_of_event(self, name: str) -> AggregateType:
        """The aggregate that evolves by this event. Raises KeyError for an unknown name."""
        return self._aggregate_of_event[name]

    def event_type(self, name: str) -> EventType | None:
        """The event type with this stored, earlier or present name, or None. ReactionRejected is one too."""
        return self._stored_events.get(name)

    def command_type(self, name: str) -> CommandType | None:
        """The command type with this stored, earlier or present name, or None."""
        return self._stored_commands.get(name)

    def aggregate_type(self, name: str) -> AggregateType | None:
        """The aggregate with this stored, earlier or present name, or None."""
        return self._stored_aggregates.get(name)

    def event_names(self, names: Iterable[str]) -> frozenset[str]:
        """All names under which events of these types may be stored. An unknown name stays as it is."""
        return _all_names(self._stored_events, names)

    def command_names(self, names: Iterable[str]) -> frozenset[str]:
        """All names under which commands of these types may be stored. An unknown name stays as it is."""
        return _all_names(self._stored_commands, names)

    def aggregate_names(self, names: Iterable[str]) -> frozenset[str]:
        """All names that streams of these aggregates may have. An unknown name stays as it is."""
        return _all_names(self._stored_aggregates, names)

    def _add_event(self, type_: EventType) -> None:
        self.events[type_.name] = self.event_of[type_.cls] = type_
        self._stored_events |= dict.fromkeys(type_.names, type_)

    def _add_command(self, type_: CommandType) -> None:
        self.commands[type_.name] = self._command_of[type_.cls] = type_
        self._stored_commands |= dict.fromkeys(type_.names, type_)

    def _add_aggregate(self, type_: AggregateType) -> None:
        for owned, table in (
            (type_.evolvers, self._aggregate_of_event),
            (type_.deciders, self._aggregate_of_command),
        ):
            for cls in owned:
                name = registered(cls).name
                if name in table:
                    problem = f"already belongs to the aggregate {table[name].cls.__name__}"
                    raise DefinitionError(type_.where, f"{cls.__name__} {problem}")
                table[name] = type_
        self.aggregates[type_.name] = type_
        self._stored_aggregates |= dict.fromkeys(type_.names, type_)

    def _event_classes(self) -> Mapping[type, EventType]:
        return self.event_of

    def _command_classes(self) -> Mapping[type, CommandType]:
        return self._command_of


def _all_names(known: Mapping[str, Any], names: Iterable[str]) -> frozenset[str]:
    found: set[str] = set()
    for name in names:
        found.update(known[name].names if name in known else (name,))
    return frozenset(found)
