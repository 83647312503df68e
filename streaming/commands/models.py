"""The states of decision models: folded from the events that a query of the log finds.

A model has no stream, so it has no owner. For each batch that needs it, it is read up to the end of the log.
The position of its last event is a condition of the append: no event of the query may have come since.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from commander.domain import Domain, UndecodableEvent, UnknownEvent
from commander.domain.deciders import QuerySource
from commander.eventstore.database import Connection
from commander.eventstore.log.event_log import PAGE
from commander.eventstore.log.indexes import TaggedAfter, read_tagged
from commander.eventstore.records import RecordedEvent
from commander.streaming.commands.stream_states import StreamState, described, this_code

_MOST = 10_000


class ModelState(NamedTuple):
    """A model after all events of its query up to a position. state.version counts the events."""

    state: StreamState
    position: int


class Models:
    """Folds decision models, and keeps the last ones: a fold goes on where it ended."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self._known: OrderedDict[QuerySource, ModelState] = OrderedDict()

    async def load(
        self, connection: Connection, index: int, queries: Sequence[QuerySource]
    ) -> dict[QuerySource, ModelState]:
        """The states as the log is now."""
        loaded = {query: self._known.get(query) or self._initial(query) for query in queries}
        unread = [*loaded]
        while unread:
            after = [TaggedAfter(values_of(one), loaded[one].position) for one in unread]
            pages = await read_tagged(connection, index, after, PAGE)
            for query, page in zip(unread, pages, strict=True):
                for event in page.events:
                    loaded[query] = ModelState(
                        self._folded(query, loaded[query].state, event), event.position
                    )
            unread = [query for query, page in zip(unread, pages, strict=True) if page.has_more]
        self._keep(loaded)
        return loaded

    def _initial(self, query: QuerySource) -> ModelState:
        return ModelState(StreamState(self._domain.decision_models[query.model].initial(), 0), 0)

    def _keep(self, loaded: Mapping[QuerySource, ModelState]) -> None:
        for query, state in loaded.items():
            self._known[query] = state
            self._known.move_to_end(query)
        while len(self._known) > _MOST:
            self._known.popitem(last=False)

    def _folded(self, query: QuerySource, before: StreamState, event: RecordedEvent) -> StreamState:
        if before.unreadable is not None:
            return before
        try:
            instance = self._domain.decode(event.type, event.schema_version, event.data, event.position)
            return evolved_model(self._domain, query, before, instance)
        except UnknownEvent as error:
            problem = f"{this_code(self._domain)}: {error}"
            return StreamState(before.state, before.version, problem, unknown=True)
        except UndecodableEvent as error:
            return StreamState(before.state, before.version, str(error))
        except BaseException as error:  # the author's code may raise anything
            reason = f"evolving by the event at position {event.position} raised {described(error)}"
            return StreamState(before.state, before.version, reason)


class Folded:
    """Models as they are after some decisions. states: by their queries."""

    def __init__(self, domain: Domain, states: Mapping[QuerySource, StreamState]) -> None:
        self._domain = domain
        self.states = dict(states)
        self._by_value: dict[str, list[QuerySource]] = {}
        for query in states:
            for value in values_of(query):
                self._by_value.setdefault(value, []).append(query)

    def add(self, events: Iterable[Any]) -> None:
        """Folds these events of one decision into the models that find them: all or none."""
        if not self.states:
            return
        changed = dict[QuerySource, StreamState]()
        for event in events:
            type_ = self._domain.event_of[type(event)]
            for tag in type_.tags_of(event) if type_.tagged else ():
                for query in self._by_value.get(value_of(type_.stored_name, tag), ()):
                    before = changed.get(query) or self.states[query]
                    changed[query] = evolved_model(self._domain, query, before, event)
        self.states |= changed


def evolved_model(domain: Domain, query: QuerySource, before: StreamState, event: Any) -> StreamState:
    """The model after an event, if its query finds it."""
    type_ = domain.event_of[type(event)]
    if type_.stored_name not in query.types or not set(query.tags) <= set(type_.tags_of(event)):
        return before
    model = domain.decision_models[query.model]
    return StreamState(model.evolve(model.own(before.state), event), before.version + 1)


def values_of(query: QuerySource) -> list[str]:
    """The values in the index of the events that a query can find: those with the first of its tags."""
    return [value_of(type_name, query.tags[0]) for type_name in query.types]


def value_of(type_name: str, tag: str) -> str:
    """What the index of tags has of an event of this stored name with this tag."""
    return f"{type_name} {tag}"
