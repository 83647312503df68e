"""The lookups of a domain: its events, commands and aggregates by class, and by each name that is stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from commander.domain.aggregates import AggregateType
from commander.domain.deciders import DeciderType
from commander.domain.errors import DefinitionError
from commander.domain.fields import Field
from commander.domain.messages import CommandType, EventType, event_type, registered
from commander.domain.naming import GivenNames
from commander.domain.reactors import RecordedRejection
from commander.domain.unique import UniqueRule

REACTION_REJECTED = "ReactionRejected"
REACTION_AGGREGATE = "reaction"


class DomainLookups:
    """The part of Domain that finds definitions; see Domain.

    rejection: the built-in event ReactionRejected. deciders: those over several states, by command.
    unique_rules: the unique keys of all aggregates, by their stored names.
    """

    def __init__(self) -> None:
        super().__init__()
        self.events: dict[str, EventType] = {}
        self.commands: dict[str, CommandType] = {}
        self.aggregates: dict[str, AggregateType] = {}
        self.deciders: dict[str, DeciderType] = {}
        self.unique_rules: dict[str, UniqueRule] = {}
        self.event_of: dict[type, EventType] = {}
        self._command_of: dict[type, CommandType] = {}
        self._aggregate_of_event: dict[str, AggregateType] = {}
        self._aggregate_of_command: dict[str, AggregateType] = {}
        self._decided_by: dict[type, AggregateType | DeciderType] = {}
        doc = "A command that a reactor sent was rejected or failed."
        made = event_type(RecordedRejection, 1, GivenNames("event", REACTION_REJECTED, ()))
        self.rejection = EventType(made.name, made.cls, 1, made.fields, doc, made.where)
        self._stored_events: dict[str, EventType] = {REACTION_REJECTED: self.rejection}
        self._stored_commands: dict[str, CommandType] = {}
        self._stored_aggregates: dict[str, AggregateType] = {}

    def aggregate_of_command(self, name: str) -> AggregateType:
        """The aggregate of the command's stream. Raises KeyError for an unknown name.

        It decides the command, or is that of the first state of the command's decider.
        """
        return self._aggregate_of_command[name]

    def stream_of(self, command: Any) -> str:
        """The id of the stream that the command is decided on. Raises InvalidCommand for a key too long."""
        return self._decided_by[type(command)].stream_of(command)

    def key_of_command(self, name: str) -> str:
        """The command's field with the key of its stream. Raises KeyError for an unknown name."""
        decider = self.deciders.get(name)
        return self._aggregate_of_command[name].key if decider is None else decider.key

    def key_fields_of(self, aggregate: AggregateType) -> Iterator[Field]:
        """The fields of commands that have the key of a stream of this aggregate."""
        for command in self.commands.values():
            if (decider := self.deciders.get(command.name)) is not None:
                names = {
                    state.fields[0]
                    for state in decider.states
                    if state.type is aggregate and state.look_up is None
                }
            else:
                names = {aggregate.key} if command.cls in aggregate.deciders else set()
            yield from (field for field in command.fields if field.name in names)

    def unique_rules_of(self, command: str) -> tuple[UniqueRule, ...]:
        """The unique keys that the events of a command could claim. Raises KeyError for an unknown name."""
        decider = self.deciders.get(command)
        if decider is None:
            return self._aggregate_of_command[command].unique
        return tuple(rule for aggregate in decider.aggregates for rule in aggregate.unique)

    def commands_of(self, aggregate: AggregateType) -> list[CommandType]:
        """The commands that are decided on streams of this aggregate, in the order of their definition."""
        owners = self._aggregate_of_command
        return [one for one in self.commands.values() if owners.get(one.name) is aggregate]

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

    def _add_decider(self, type_: DeciderType) -> None:
        name = type_.command.name
        if name in self._aggregate_of_command:
            raise DefinitionError(type_.where, f"{type_.name}: {self._decided_twice(name)}")
        self._aggregate_of_command[name] = type_.aggregate
        self.deciders[name] = self._decided_by[type_.command.cls] = type_

    def _decided_twice(self, command: str) -> str:
        """The problem with a second decider of this command."""
        decider, aggregate = self.deciders.get(command), self._aggregate_of_command[command]
        by, where = aggregate.cls.__name__, aggregate.where
        if decider is not None:
            by, where = decider.name, decider.where
        return f"{command} is decided twice; {by} decides it at {where}"

    def _add_aggregate(self, type_: AggregateType) -> None:
        for cls in type_.deciders:
            if (decided := registered(cls).name) in self.deciders:
                raise DefinitionError(type_.where, f"{type_.cls.__name__}: {self._decided_twice(decided)}")
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
        self._decided_by |= dict.fromkeys(type_.deciders, type_)
        self.unique_rules |= {rule.stored_name: rule for rule in type_.unique}
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
