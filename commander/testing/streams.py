"""The streams and decision models that given events make, and a decision on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from commander.domain import AggregateType, CommandContext, CommandType, Domain, EventType
from commander.domain.checking import problems_of
from commander.domain.deciders import QuerySource, Source, StateParameter, StreamSource
from commander.domain.decision_models import DecisionModelType
from commander.domain.errors import described
from commander.domain.look_ups import KeySource
from commander.testing.domains import domain_of


class Streams:
    """What a command of this type is decided on: its own stream, and the others that its rules look at.

    If the command has a decider over several states, or its aggregate unique keys, an event belongs to the
    stream with the key in it. All other events belong to the stream of the command.
    """

    def __init__(self, domain: Domain, type_: CommandType, events: Iterable[Any]) -> None:
        """Raises TypeError for an event that does not count for this command, or could not be stored."""
        self._domain = domain
        self._decider = domain.deciders.get(type_.name)
        self._own = domain.aggregate_of_command(type_.name)
        self._aggregates = (self._own,) if self._decider is None else self._decider.aggregates
        self._by_key = self._decider is not None or bool(self._own.unique)
        self._states: dict[str, dict[str, Any]] = {one.name: {} for one in self._aggregates}
        self._events = [self._counted(event) for event in events]

    def read(self, command: Any) -> Any:
        """Folds the streams for this command. Returns a copy of the state of its own stream."""
        for event in self._events:
            for aggregate in self._aggregates:
                if type(event) in aggregate.evolvers:
                    self._evolve(aggregate, self._stream_of(aggregate, event, command), event)
        return self._own.own(self._state(self._own, self._domain.stream_of(command)))

    def decide(self, command: Any, context: Callable[[], CommandContext]) -> tuple[Any, ...]:
        """The events of the decision, after `read`.

        Raises what Domain.decided raises, and Rejected for a unique key that another stream has.
        """
        if self._decider is None:
            stream = self._domain.stream_of(command)
            state = self._state(self._own, stream)
            events = self._domain.decided(self._own, state, command, context)
            self._apply([(self._own, stream, event) for event in events])
            return events
        asked = zip(self._decider.states, self._decider.sources_of(command), strict=True)
        sources = [self._resolved(one, source) for one, source in asked]
        states = [
            self._at(one.type, source) for one, source in zip(self._decider.states, sources, strict=True)
        ]
        placed = self._domain.decided_across(self._decider, sources, states, command, context)
        self._apply([(self._owner(event), _stream(sources[index]), event) for index, event in placed])
        return tuple(event for _, event in placed)

    def _counted(self, event: Any) -> Any:
        """The event as it is read back."""
        models = () if self._decider is None else self._decider.models
        types: tuple[AggregateType | DecisionModelType, ...] = (*self._aggregates, *models)
        if not any(type(event) in one.evolvers for one in types):
            names = " or ".join(one.name for one in types)
            raise TypeError(f"{type(event).__name__} is not an event of the aggregate {names}")
        type_ = domain_of(event).type_of(event)
        if problems := problems_of(type_.fields, event):
            raise TypeError(f"{type_.name} could not be stored: {described(problems)}")
        assert isinstance(type_, EventType), "something evolves by it"
        return type_.read_back(event)[1]

    def _owner(self, event: Any) -> AggregateType:
        return next(one for one in self._aggregates if type(event) in one.evolvers)

    def _stream_of(self, aggregate: AggregateType, event: Any, command: Any) -> str:
        """The stream of an event. Raises TypeError if it has no key and the command several such streams."""
        if self._by_key and hasattr(event, aggregate.key):
            return aggregate.stream_of_key(getattr(event, aggregate.key), aggregate.key)
        if self._decider is None:
            return self._domain.stream_of(command)
        sources = zip(self._decider.states, self._decider.sources_of(command), strict=True)
        found = [source for one, source in sources if one.type is aggregate]
        if len(found) > 1 or isinstance(found[0], KeySource):
            name = type(event).__name__
            raise TypeError(f"{name} has no field {aggregate.key}, so it is not clear which stream it is of")
        return _stream(found[0])

    def _resolved(self, parameter: StateParameter, source: Source) -> Source:
        """The same, with the stream that holds the key in the place of a unique key that one holds."""
        if parameter.look_up is None or not isinstance(source, KeySource):
            return source
        rule = parameter.look_up.rule
        streams = self._states[parameter.type.name].items()
        held = (stream for stream, state in streams if source.key in rule.keys_of(state))
        return next((StreamSource(stream) for stream in held), source)

    def _at(self, type_: AggregateType | DecisionModelType, source: Source) -> Any:
        if isinstance(source, QuerySource):
            assert isinstance(type_, DecisionModelType), "only a model has a query"
            return type_.fold(one for one in self._events if self._is_found(type_, source, one))
        if isinstance(source, KeySource):
            return None
        assert isinstance(type_, AggregateType), "only an aggregate has a stream"
        return self._state(type_, source.stream)

    def _is_found(self, model: DecisionModelType, source: QuerySource, event: Any) -> bool:
        tags = self._domain.event_of[type(event)].tags_of(event)
        return type(event) in model.evolvers and set(source.tags) <= set(tags)

    def _state(self, aggregate: AggregateType, stream: str) -> Any:
        states = self._states[aggregate.name]
        return states[stream] if stream in states else aggregate.initial()

    def _evolve(self, aggregate: AggregateType, stream: str, event: Any) -> None:
        self._states[aggregate.name][stream] = aggregate.evolve(self._state(aggregate, stream), event)

    def _apply(self, placed: list[tuple[AggregateType, str, Any]]) -> None:
        """Evolves the streams by their new events. Raises Rejected if one claims the key of another."""
        before = {stream: (aggregate, self._keys(aggregate, stream)) for aggregate, stream, _ in placed}
        for aggregate, stream, event in placed:
            self._evolve(aggregate, stream, self._domain.event_of[type(event)].read_back(event)[1])
        for stream, (aggregate, keys) in before.items():
            for rule in aggregate.unique:
                claimed = self._keys(aggregate, stream)[rule.name] - keys[rule.name]
                others = (one for one in self._states[aggregate.name] if one != stream)
                if any(claimed & self._keys(aggregate, other)[rule.name] for other in others):
                    raise rule.rejection

    def _keys(self, aggregate: AggregateType, stream: str) -> Mapping[str, frozenset[str]]:
        state = self._state(aggregate, stream)
        return {rule.name: rule.keys_of(state) for rule in aggregate.unique}


def _stream(source: Source) -> str:
    """The stream of an aggregate's state."""
    assert isinstance(source, StreamSource), "only an aggregate evolves by what is decided"
    return source.stream
