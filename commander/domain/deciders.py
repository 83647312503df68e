"""Deciders over several states: a function decides a command by the states of several streams.

    @bank.decider(source="from_id", target="to_id")
    def transfer(command: Transfer, source: Account, target: Account) -> tuple[Withdrawn, Deposited]: ...

The first state is that of the command's stream. Each event goes to the stream of the state whose aggregate
evolves by it. If two states have that aggregate, the event's field with the key of the aggregate says to
which one. A state may be found by a unique key; see look_ups.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from commander.domain.aggregates import AggregateType
from commander.domain.decision_models import DecisionModelType
from commander.domain.decisions import CommandContext, events_of
from commander.domain.errors import InvalidCommand, InvalidDecision, Problem
from commander.domain.look_ups import KeySource, LookUp
from commander.domain.messages import CommandType, EventType
from commander.domain.tags import MAX_TAG_BYTES, is_too_long, tag_of


class StreamSource(msgspec.Struct, frozen=True):
    """A stream whose state a decider takes. stream: its id."""

    stream: str


class QuerySource(msgspec.Struct, frozen=True):
    """The events that a decision model is folded from: those of these types with all of these tags.

    model: its name. tags: as EventType.tags_of gives them. types: the stored names of the events, sorted.
    """

    model: str
    tags: tuple[str, ...]
    types: tuple[str, ...]


Source = StreamSource | QuerySource | KeySource
"""What a state is folded from."""


@dataclass(frozen=True)
class StateParameter:
    """A state that a decider takes. name: of the parameter.

    fields: of the command: the one with the key of the stream, those with the values of the model's tags, or
    those with the unique key by which the state is found. look_up: how it is found then.
    """

    name: str
    type: AggregateType | DecisionModelType
    fields: tuple[str, ...]
    look_up: LookUp | None = None

    def source_of(self, command: Any) -> Source:
        """What the state is folded from.

        Raises InvalidCommand for a value that is too long, and InvalidDecision as UniqueRule.key_of.
        """
        if self.look_up is not None:
            return self.look_up.source_of(getattr(command, field) for field in self.fields)
        if isinstance(self.type, AggregateType):
            [field] = self.fields
            return StreamSource(self.type.stream_of_key(getattr(command, field), field))
        tags = []
        for tag, field in zip(self.type.tags, self.fields, strict=True):
            tags.append(text := tag_of(tag, getattr(command, field)))
            if is_too_long(text):
                problem = f"must have at most {MAX_TAG_BYTES - len(tag) - 1} bytes as UTF-8"
                raise InvalidCommand((Problem((field,), problem),))
        return QuerySource(self.type.name, tuple(tags), self.type.event_types)

    @cached_property
    def is_taken_as_is(self) -> bool:
        """Whether `taken` returns the state itself."""
        return self.look_up is None and not self.type.is_mutable

    def taken(self, source: Source, state: Any) -> Any:
        """What the decider takes: its own copy of the state, for a look-up as a Found.

        It is None if the source is still a unique key: no stream holds it.
        """
        if self.look_up is None:
            return self.type.own(state)
        if not isinstance(source, StreamSource):
            return None
        return self.look_up.found(source.stream, self.type.own(state))


class _Place(NamedTuple):
    """Where the events of a class may go. indexes: of the states with the aggregate that evolves by them.

    has_key: whether they have a field with the key of the aggregate.
    """

    indexes: tuple[int, ...]
    aggregate: AggregateType
    has_key: bool


@dataclass(frozen=True)
class DeciderType:
    """A decider over several states. where: file:line.

    states: its parameters between the command and the context. The first one has an aggregate.
    events: those that it may return. takes_context: whether its last parameter is a CommandContext.
    """

    command: CommandType
    function: Callable[..., Any]
    where: str
    states: tuple[StateParameter, ...]
    events: Mapping[type, EventType] = field(repr=False)
    takes_context: bool = False

    @property
    def name(self) -> str:
        """The name of its function."""
        return self.function.__name__

    @property
    def aggregate(self) -> AggregateType:
        """The aggregate of the command's stream."""
        first = self.states[0].type
        assert isinstance(first, AggregateType), "the decorator has checked it"
        return first

    @property
    def aggregates(self) -> tuple[AggregateType, ...]:
        """The aggregates of its states, each once."""
        found = (state.type for state in self.states)
        return tuple({one.name: one for one in found if isinstance(one, AggregateType)}.values())

    @property
    def key(self) -> str:
        """The command's field with the key of its stream."""
        return self.states[0].fields[0]

    @cached_property
    def finds_by_key(self) -> bool:
        """Whether it finds a state by a unique key."""
        return any(state.look_up is not None for state in self.states)

    @cached_property
    def models(self) -> tuple[DecisionModelType, ...]:
        """The decision models of its states, each once."""
        found = (state.type for state in self.states)
        return tuple({one.name: one for one in found if isinstance(one, DecisionModelType)}.values())

    def stream_of(self, command: Any) -> str:
        """The id of the command's stream, that of the first state. Raises InvalidCommand."""
        return self.aggregate.stream_of_key(getattr(command, self.key), self.key)

    def sources_of(self, command: Any) -> tuple[Source, ...]:
        """What each state is folded from, in the order of `states`. Two can be the same.

        Raises InvalidCommand if a key is too long, and InvalidDecision as UniqueRule.key_of.
        """
        return tuple(state.source_of(command) for state in self.states)

    def decide(
        self,
        sources: Sequence[Source],
        states: Sequence[Any],
        command: Any,
        context: Callable[[], CommandContext],
    ) -> tuple[tuple[int, Any], ...]:
        """The events that `command` leads to, each with the index of the state whose stream gets it.

        sources: what `sources_of` gives, with the stream that holds the key in the place of each unique key
        that one holds. states: folded from them. The guards of the first state's aggregate
        come first.
        context: a function that makes the context. It is called only for a decider that takes one.
        If two states have the same stream, an event has the first of their indexes.

        Raises Rejected, and InvalidDecision for a value that is no event of these states, and for an event
        with the key of another stream.
        """
        own = [
            state if one.is_taken_as_is else one.taken(source, state)
            for one, source, state in zip(self.states, sources, states, strict=True)
        ]
        for guard in self.aggregate.guards.get(self.command.cls, ()):
            guard(own[0])
        given = (command, *own, context()) if self.takes_context else (command, *own)
        events = events_of(self.function(*given), self.events, self.name)
        return tuple([(self._index_of(event, sources, command), event) for event in events])

    @cached_property
    def places(self) -> Mapping[type, _Place]:
        """Where the events of each class may go."""
        places = {}
        for aggregate in self.aggregates:
            indexes = tuple(n for n, state in enumerate(self.states) if state.type is aggregate)
            for cls in aggregate.evolvers:
                has_key = any(one.name == aggregate.key for one in self.events[cls].fields)
                places[cls] = _Place(indexes, aggregate, has_key)
        return places

    @cached_property
    def _key_fields(self) -> tuple[str | None, ...]:
        """For each state, the command's field with the key of its stream; None if it is found otherwise."""
        return tuple(
            one.fields[0] if one.look_up is None and isinstance(one.type, AggregateType) else None
            for one in self.states
        )

    def _index_of(self, event: Any, sources: Sequence[Source], command: Any) -> int:
        """The index of the state whose stream gets the event."""
        indexes, aggregate, has_key = self.places[type(event)]
        name = type(event).__name__
        if not has_key and len(indexes) == 1:
            if isinstance(sources[indexes[0]], StreamSource):
                return indexes[0]
            missing = self.states[indexes[0]].name
            raise InvalidDecision(f"{self.name} returned {name} for {missing}, which was not found")
        if not has_key:
            problem = f"{name}, which has no field with the key of one of its streams"
            raise InvalidDecision(f"{self.name} returned {problem}")
        key = getattr(event, aggregate.key)
        for index in indexes:
            field, source = self._key_fields[index], sources[index]
            if isinstance(source, StreamSource) and field is not None and getattr(command, field) is key:
                stream = source.stream
                break
        else:
            stream = f"{aggregate.stored_name}-{key}"
        for index in indexes:
            source = sources[index]
            if isinstance(source, StreamSource) and source.stream == stream:
                return index
        raise InvalidDecision(f"{self.name} returned {name} for {stream}, which is not one of its streams")
