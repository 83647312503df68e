"""The queries of a projection: a row by its key, the list. And the fields of a row: its events, its links."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry
from graphql import GraphQLResolveInfo

from commander.domain import AggregateType, DefinitionError, Domain, ProjectionType
from commander.domain.filters import projections_of
from commander.domain.links import Link, links_of
from commander.domain.time_travel import aggregate_behind
from commander.resolvers import projections as resolving
from commander.resolvers.projections import Listing
from commander.resolvers.stream_events import stream_page
from commander.resolvers.visible_rows import must_see, narrowed, visible
from commander.schema.context import Context
from commander.schema.names import camel, capitalized
from commander.schema.types.affordances import available_commands
from commander.schema.types.changed_rows import RowType
from commander.schema.types.direct_field import DirectField
from commander.schema.types.entities import EntityType
from commander.schema.types.events import EventConnection, EventTypes
from commander.schema.types.field_types import TypeMap
from commander.schema.types.filters import ConditionTypes, Where, read_order
from commander.schema.types.links import link_field, reverse_field
from commander.schema.types.live import LiveField, live_fields, live_names
from commander.schema.types.node import id_of_row
from commander.schema.types.other_entities import OtherEntities
from commander.schema.types.read_your_writes import TIMEOUT, WAITING, AtLeast, TimeoutMs, reach
from commander.schema.types.records import Node
from commander.schema.types.row_lists import PAGE, RowList, row_list
from commander.schema.types.time_travel import PastRows, history_fields, past_names, past_rows, row_at
from commander.schema.types.unique_rows import unique_row_fields

_EVENTS = "events"
_EVENTS_OF_ROW = 10
"""By default."""


class ProjectionFields:
    """Makes the fields of projections. Their shared input types are made once.

    live: the fields of Subscription for all projections so far. from_streams: the projections so far whose
    rows each come from one stream. entities: the projections so far, as a gateway finds their rows.
    others: the types of other subgraphs' objects; None if the schema stands alone.
    """

    def __init__(
        self, domain: Domain, types: TypeMap, events: EventTypes, others: OtherEntities | None = None
    ) -> None:
        self._domain = domain
        self._types = types
        self._events = events
        self._conditions = ConditionTypes(types)
        self._links = links_of(domain.projections)
        self._lists: dict[str, RowList] = {}
        self._past: dict[str, PastRows] = {}
        self.live: list[LiveField] = []
        self.from_streams: list[RowType] = []
        self.entities: list[EntityType] = []
        self._others = others

    def all(self) -> list[DirectField]:
        """The fields of Query for all projections, and the fields of rows with their own resolver."""
        made = [field for type_ in self._domain.projections.values() for field in self._of(type_)]
        return made + [field for link in self._links for field in self._of_link(link)]

    def _of(self, type_: ProjectionType) -> list[DirectField]:
        """Those of one projection. The fields for links follow, when the types of all rows are made."""
        name = type_name(type_)
        aggregate = aggregate_behind(self._domain, type_)
        own = [id_of_row(name, type_)]
        if aggregate is not None:
            links = [link for link in self._links if link.source is type_]
            past = self._past[type_.name] = past_rows(name, type_, links, self._types)
            own += self._events_of_row(type_, aggregate)
            own += available_commands(name, type_, aggregate, self._domain)
            own += history_fields(name, past, self._events, self._types)
            own.append(row_at(name, past, self._types))
        if self._others is not None:
            own += self._others.links(name, type_)
        row = self._types.object_type(
            name,
            type_.fields,
            where=type_.where,
            description=type_.doc,
            base=Node,
            more={
                "is_type_of": staticmethod(lambda row, _info: type(row) is type_.cls),
                **{f"{field.graphql_name}_": field.declared for field in own if field.of == name},
            },
        )
        self.entities.append(EntityType(type_, name, row))
        if aggregate is not None:
            self.from_streams.append(RowType(type_, row, aggregate))
        where = Where(name, type_, self._types, self._conditions)
        rows = self._lists[type_.name] = row_list(name, type_, row, where, self._types)
        self.live += live_fields(name, type_, row, where, self._types, self._domain)
        by_unique_keys = unique_row_fields(type_, row, self._types, self._domain)
        return [_by_key(type_, row, self._types), *by_unique_keys, _list(rows, self._domain), *own]

    def _of_link(self, link: Link) -> list[DirectField]:
        """The fields for a link: of both rows and of past rows. Also adds it to the filter."""
        source, target = self._lists[link.source.name], self._lists[link.target.name]
        source.where.follow(link, target.where)
        made = [(source.row, link_field(link, type_name(link.source), target.row))]
        if link.reverse is not None:
            list_ = reverse_field(link, link.reverse, type_name(link.target), source, self._domain)
            made.append((target.row, list_))
        before, then = self._past.get(link.source.name), self._past.get(link.target.name)
        if before is not None and then is not None:
            made.append((before.row, before.link(link, then)))
        for owner, field in made:
            field.declared.python_name = f"{field.graphql_name}_"
            field.declared.origin = owner
            owner.__strawberry_definition__.fields.append(field.declared)
        return [field for _, field in made]

    def _events_of_row(self, type_: ProjectionType, aggregate: AggregateType) -> list[DirectField]:
        """Empty if a column of the row has the name `events`."""
        if any(f.graphql_name == _EVENTS for f in type_.fields):
            return []
        return [_stream(type_name(type_), aggregate, self._events)]


def type_name(type_: ProjectionType) -> str:
    """The name of the type of a row."""
    return capitalized(camel(type_.query))


def names_of(type_: ProjectionType) -> list[str]:
    """The names of the types that a projection adds to the schema."""
    name = type_name(type_)
    made = [name + kind for kind in ("", "Edge", "Connection", "Where", "Order", "Column")]
    return made + past_names(name) + live_names(name)


def _by_key(type_: ProjectionType, row: Any, types: TypeMap) -> DirectField:
    shown = camel(type_.key)
    if shown in WAITING:
        raise DefinitionError(
            type_.where, f"the name {shown} is taken by an argument of the API; rename the key"
        )

    def declared(key: Any, at_least: AtLeast = None, timeout_ms: TimeoutMs = TIMEOUT) -> Any: ...

    # The argument has the name of the key: account(accountId:).
    argument = strawberry.argument(name=shown)
    key_type = types.annotation(type_.key_field, is_input=True)
    declared.__annotations__ |= {"key": Annotated[key_type, argument], "return": row | None}

    async def resolve(_root: None, info: GraphQLResolveInfo[Context], /, **given: Any) -> Any:
        services = info.context.services
        await reach(info, type_, given)
        row = await resolving.row(services, services.tables[type_.name], given[shown])
        return visible(info.context.rights, type_, row)

    field = strawberry.field(declared, name=camel(type_.query), description=type_.doc or None)
    return DirectField(field, resolve, "Query")


def _list(rows: RowList, domain: Domain) -> DirectField:
    type_ = rows.type

    def declared(
        where: Any = None,
        order_by: Any = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
        at_least: AtLeast = None,
        timeout_ms: TimeoutMs = TIMEOUT,
    ) -> Any: ...

    declared.__annotations__ |= {
        "where": rows.where.input | None,
        "order_by": list[rows.order] | None,  # type: ignore[name-defined]
        "return": rows.connection,
    }

    async def resolve(_root: None, info: GraphQLResolveInfo[Context], /, **given: Any) -> Any:
        services, rights = info.context.services, info.context.rights
        table = services.tables[type_.name]
        order = resolving.order_of(type_.orders, read_order(given.get("orderBy")))
        must_see(rights, type_, order.fields, "orderBy")
        where = narrowed(rights, type_, rows.where.read(given.get("where")), domain.projections)
        listing = Listing(type_.plural, table, where, order)
        walk = resolving.walk_of(services, listing, *(given.get(name) for name in PAGE))
        for projection in (type_.name, *projections_of(listing.where)):
            await reach(info, domain.projections[projection], given)

        async def count() -> int:
            return await resolving.total(services, listing)

        return await rows.page(rights, listing, walk, resolving.reading(services, listing), count)

    description = (
        "A page of the list: the `first` rows after the cursor `after`, or the `last` rows before the cursor "
        "`before`. Ordered by the key, unless `orderBy` is given."
    )
    field = strawberry.field(declared, name=camel(type_.plural), description=description)
    return DirectField(field, resolve, "Query")


def _stream(of: str, aggregate: AggregateType, events: EventTypes) -> DirectField:
    def declared(
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> Any: ...

    declared.__annotations__ |= {"return": EventConnection}

    async def resolve(row: Any, info: GraphQLResolveInfo[Context], /, **given: Any) -> EventConnection:
        first, after, last, before = (given.get(name) for name in PAGE)
        if first is None and last is None:
            first = _EVENTS_OF_ROW
        asked = stream_page(info.context.services, aggregate.stream_of(row), first, after, last, before)
        page = await info.context.batching.stream_events.load(asked)
        return events.connection(info.context.rights, page, lambda event: event.version)

    description = (
        f"The events of the stream of this row, oldest first; by default the first {_EVENTS_OF_ROW}. A "
        "cursor is a version of the stream."
    )
    return DirectField(strawberry.field(declared, name=_EVENTS, description=description), resolve, of)
