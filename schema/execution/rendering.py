"""Rendering items of the feed to JSON: the selection of a document is compiled once.

graphql-core executes a selection again for each event: it collects fields, resolves types, looks for
awaitables. This module does that once per type of event. Per event it only reads fields and encodes them.
If GraphQL cannot represent a value, graphql-core executes the selection and reports the error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from graphql import ExecutionResult as RawResult
from graphql import FieldNode, GraphQLError, GraphQLObjectType, Undefined, execute
from graphql.execution import Executor
from graphql.execution.collect_fields import FieldDetailsList, collect_fields, collect_subfields

from commander.domain import BigInt, Field
from commander.domain.fields import EnumType, FieldType, ListType, RecordType, ScalarType
from commander.eventstore.log.epochs import Epochs
from commander.eventstore.records import RecordedEvent
from commander.resolvers.cursors import position_cursor_of
from commander.resolvers.node_ids import event_id
from commander.schema.errors import bounded, typed
from commander.schema.execution.gate import Admitted
from commander.schema.execution.rendered import KeptRenderings, Rendered, RenderedEvents
from commander.schema.types.events import EventTypes
from commander.schema.types.scalars import SCALARS
from commander.streaming.feed.fan_out import FeedItem

_INT = range(-(2**31), 2**31)

Show = Callable[[Any], Any]
"""From a value of the domain to its JSON value. Raises Unshowable."""
Read = Callable[[Any, Any], Any]
"""From an item of the feed and its event, if it has one, to the JSON value of a field. Raises Unshowable."""


class Unshowable(Exception):
    """GraphQL cannot represent a value."""


class _OfTheLog(NamedTuple):
    """What the fields of an item may ask of their context: it is the same for all who share a rendering."""

    epochs: Epochs


class Renderer:
    """Renders items for one operation. The executor has its variables and its schema.

    Subscribers share it, so it keeps nothing of the context of the first one.
    """

    def __init__(
        self,
        admitted: Admitted,
        executor: Executor[Any],
        types: EventTypes,
        epochs: Epochs,
        count: RenderedEvents,
    ) -> None:
        self._document = admitted.operation.tree
        self._executor = executor
        self._types = types
        self._epochs = epochs
        self._count = count
        self._kept = KeptRenderings()
        self._rights = admitted.context.rights  # all who share it see the same fields
        self._plans: dict[str, list[tuple[str, Read]] | None] = {}
        root = executor.schema.subscription_type
        assert root is not None, "a subscription needs a root type"
        collected = collect_fields(
            executor.schema, executor.fragments, executor.variable_values, root, executor.operation
        )
        self._key, self._details = next(iter(collected.grouped_field_set.items()), ("", []))

    @property
    def field(self) -> FieldNode | None:
        """The one field of the subscription; None if a directive leaves it out."""
        return self._details[0].node if self._details else None

    def selects(self, name: str) -> bool:
        """Whether the operation selects this field on any type of event."""
        types = (self._executor.schema.get_type(type_name) for type_name in self._types.names)
        return any(
            selected == name
            for type_ in types
            if isinstance(type_, GraphQLObjectType)
            for _, selected, _ in self._selected(type_, self._details)
        )

    def render(self, item: FeedItem) -> Rendered:
        """The item with the selected fields. Never raises."""
        event, type_name = self._types.decoded(item)
        self._count.events += event is not item
        if type_name not in self._plans:
            self._plans[type_name] = self._plan(type_name)
        plan = self._plans[type_name]
        if plan is not None:
            try:
                shown = {self._key: {key: read(item, event) for key, read in plan}}
                return self._rendered(item, msgspec.json.encode(shown))
            except Unshowable:
                pass
        return self._executed(item)

    def render_once(self, item: FeedItem) -> Rendered:
        """As `render`, for subscribers that get the same event in other pages or by other rules."""
        if not isinstance(item, RecordedEvent):
            return self.render(item)
        found = self._kept.get(item)
        if found is None:
            found = self.render(item)
            self._kept.add(item, found)
        return found

    def _plan(self, type_name: str) -> list[tuple[str, Read]] | None:
        type_ = self._executor.schema.get_type(type_name)
        assert isinstance(type_, GraphQLObjectType), "each item has an object type"
        event_type, rights = self._types.event_type(type_name), self._rights
        own = {field.graphql_name: field for field in (event_type.fields if event_type else ())}
        hidden = rights.hidden(event_type) if rights and event_type else frozenset()
        plan: list[tuple[str, Read]] = []
        for key, name, details in self._selected(type_, self._details):
            if name == "__typename":
                plan.append((key, lambda _item, _event: type_name))
            elif name in own:
                hides = own[name].name in hidden
                plan.append((key, _hidden if hides else self._read(own[name], details)))
            elif name == "type":
                plan.append((key, lambda item, _event: self._types.type_name(item.type)))
            elif name == "id":
                plan.append((key, lambda item, _event: event_id(item.position, self._epochs)))
            elif name == "logEpoch":
                plan.append((key, lambda item, _event: self._epochs.at(item.position)))
            elif name == "aggregate":
                plan.append((key, lambda item, _event: self._types.aggregate_name(item.aggregate)))
            elif name in _ENVELOPE:
                plan.append((key, _ENVELOPE[name]))
            else:
                return None
        return plan

    def _read(self, field: Field, details: FieldDetailsList) -> Read:
        attribute, show = field.name, self._show_field(field, details)
        if show is None:
            return lambda _, event: getattr(event, attribute)
        return lambda _, event: show(getattr(event, attribute))

    def _show_field(self, field: Field, details: FieldDetailsList) -> Show | None:
        """The conversion of a field's value to JSON. None if it needs none."""
        show = self._show(field.type, details)
        if show is None or not field.optional:
            return show
        return lambda value: None if value is None else show(value)

    def _show(self, type_: FieldType, details: FieldDetailsList) -> Show | None:
        match type_:
            case ScalarType(python) if python in (str, bool, float):
                return None
            case ScalarType(python) if python is int:
                return _int
            case ScalarType(python) if python in (BigInt, Decimal, UUID):
                return str
            case ScalarType(python):
                serialize: Show = SCALARS[python].serialize  # type: ignore[assignment]
                return serialize
            case EnumType():
                return _enum
            case RecordType():
                return self._record(type_, details)
            case ListType(_, item):
                show = self._show(item, details)
                if show is None:
                    return list
                return lambda values: [None if value is None else show(value) for value in values]

    def _record(self, type_: RecordType, details: FieldDetailsList) -> Show:
        graphql_type = self._executor.schema.get_type(type_.python.__name__)
        assert isinstance(graphql_type, GraphQLObjectType), "a value object has an object type"
        fields = {field.graphql_name: field for field in type_.fields}
        plan: list[tuple[str, str, Show | None]] = []
        for key, name, below in self._selected(graphql_type, details):
            if name == "__typename":
                plan.append((key, "", lambda _: graphql_type.name))
            else:
                plan.append((key, fields[name].name, self._show_field(fields[name], below)))

        def show(value: Any) -> dict[str, Any]:
            shown = {}
            for key, attribute, show_field in plan:
                one = getattr(value, attribute) if attribute else value
                shown[key] = one if show_field is None else show_field(one)
            return shown

        return show

    def _selected(
        self, type_: GraphQLObjectType, details: FieldDetailsList
    ) -> list[tuple[str, str, FieldDetailsList]]:
        """The fields selected on a type: the key in the response, the name of the field, the nodes."""
        executor = self._executor
        collected = collect_subfields(
            executor.schema,
            executor.fragments,
            executor.variable_values,
            executor.operation,
            type_,
            details,
        )
        return [(key, nodes[0].node.name.value, nodes) for key, nodes in collected.grouped_field_set.items()]

    def _executed(self, item: FeedItem) -> Rendered:
        """The item rendered by graphql-core."""
        operation = self._executor.operation
        result = execute(
            self._executor.schema,
            self._document,
            root_value=self._types.item(item, self._rights),
            context_value=_OfTheLog(self._epochs),
            variable_values=self._given_variables(),
            operation_name=operation.name.value if operation.name else None,
            executor_class=type(self._executor),
        )
        assert isinstance(result, RawResult), "no field of an event has an async resolver"
        errors = [typed(error) for error in bounded(result.errors or (), complete=True)]
        return self._rendered(item, msgspec.json.encode(result.data), errors)

    def _rendered(self, item: FeedItem, data: bytes, errors: Sequence[GraphQLError] = ()) -> Rendered:
        epochs = self._epochs
        cursor = None if epochs.current == 1 else position_cursor_of(item.position, epochs)
        return Rendered(item.position, data, errors, cursor)

    def _given_variables(self) -> dict[str, Any]:
        """The variables as sent by the client: graphql-core reads them again."""
        sources = self._executor.variable_values.sources
        return {name: source.value for name, source in sources.items() if source.value is not Undefined}


def _hidden(_item: Any, _event: Any) -> None:
    """The value of a field that the viewers do not see."""


def _int(value: int) -> int:
    if value not in _INT:
        raise Unshowable(value)
    return value


def _enum(value: Enum) -> str:
    return value.name


_ENVELOPE: Mapping[str, Read] = {
    "position": lambda item, _: str(item.position),
    "stream": lambda item, _: item.stream,
    "version": lambda item, _: _int(item.version),
    "schemaVersion": lambda item, _: _int(item.schema_version),
    "recordedAt": lambda item, _: item.recorded_at.isoformat(),
    "commandId": lambda item, _: str(item.command_id),
    "correlationId": lambda item, _: str(item.correlation_id),
    "causationPosition": lambda item, _: (
        None if item.causation_position is None else str(item.causation_position)
    ),
    "reason": lambda _, event: event.reason,  # of an UnreadableEvent (its error) and of StandsStill
    "since": lambda item, _: item.since.isoformat(),
}
"""The fields that the API adds to the fields of an event. Other items have only `position`."""
