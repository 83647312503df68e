"""The queries of a projection: a row by its key, the list as a Relay connection, and the events of a row."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry
from graphql import GraphQLResolveInfo
from strawberry.types import Info

from commander.domain import AggregateType, DefinitionError, Domain, ProjectionType
from commander.domain.time_travel import aggregate_behind
from commander.resolvers import projections as resolving
from commander.resolvers.projections import Listing
from commander.resolvers.read_your_writes import reached, shown, why_behind
from commander.resolvers.stream_events import stream_page
from commander.schema.context import Context
from commander.schema.errors import stopped_extension
from commander.schema.names import camel, capitalized
from commander.schema.types.changed_rows import RowType
from commander.schema.types.direct_field import DirectField, Given
from commander.schema.types.entities import EntityType
from commander.schema.types.events import EventConnection, EventTypes
from commander.schema.types.field_types import TypeMap
from commander.schema.types.filters import ConditionTypes, Where, order_input, read_order
from commander.schema.types.live import LiveField, live_fields, live_names
from commander.schema.types.node import id_of_row
from commander.schema.types.other_entities import OtherEntities
from commander.schema.types.paging import PageInfo, page_info
from commander.schema.types.read_your_writes import TIMEOUT, WAITING, AtLeast, TimeoutMs
from commander.schema.types.records import Node
from commander.schema.types.time_travel import history_fields, past_names, past_rows, row_at

_PAGE = ("first", "after", "last", "before")
_EVENTS = "events"
_EVENTS_OF_ROW = 10
"""By default."""
_NO_WAIT: Given = {"timeoutMs": 0}


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
        self.live: list[LiveField] = []
        self.from_streams: list[RowType] = []
        self.entities: list[EntityType] = []
        self._others = others

    def of(self, type_: ProjectionType) -> list[DirectField]:
        """The fields of Query for this projection, and the fields of its rows with their own resolver."""
        name = type_name(type_)
        aggregate = aggregate_behind(self._domain, type_)
        own = [id_of_row(name, type_)]
        if aggregate is not None:
            past = past_rows(name, type_, self._types)
            own += self._events_of_row(type_, aggregate)
            own += history_fields(name, past, self._events, self._types)
            own.append(row_at(name, past, self._types))
        own += self._links(name, type_, own)
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
        edge = _type(f"{name}Edge", {"cursor": str, "node": row})
        connection = _connection(name, edge)
        where = Where(name, type_, self._types, self._conditions)
        order = order_input(name, type_, self._types)
        self.live += live_fields(name, type_, row, where, self._types)
        return [_by_key(type_, row, self._types), _list(type_, connection, edge, where, order), *own]

    def _links(self, name: str, type_: ProjectionType, others: list[DirectField]) -> list[DirectField]:
        """Raises DefinitionError for a link with the name of one of the other fields."""
        found = [] if self._others is None else list(self._others.links(name, type_))
        taken = {field.graphql_name for field in others if field.of == name}
        for one in found:
            if one.graphql_name in taken:
                problem = f'the name {one.graphql_name} is taken by the API; give Entity(…, link="…")'
                raise DefinitionError(type_.where, problem)
        return found

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


def _type(name: str, annotations: dict[str, Any]) -> Any:
    return strawberry.type(
        type(name, (), {"__annotations__": annotations, "__module__": __name__}), name=name
    )


def _connection(name: str, edge: Any) -> Any:
    async def total_count(root: Any, info: Info[Context, None]) -> int:
        return await resolving.total(info.context.services, root.listing)

    namespace = {
        "__annotations__": {
            "listing": strawberry.Private[Listing],
            "edges": list[edge],
            "page_info": PageInfo,
        },
        "__module__": __name__,
        "total_count": strawberry.field(
            total_count,
            description="The number of rows that match `where`. It is counted: omit it if unused.",
        ),
    }
    return strawberry.type(type(f"{name}Connection", (), namespace), name=f"{name}Connection")


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
        await reach(info.context, type_, given)
        return await resolving.row(services, services.tables[type_.name], given[shown])

    field = strawberry.field(declared, name=camel(type_.query), description=type_.doc or None)
    return DirectField(field, resolve, "Query")


def _list(type_: ProjectionType, connection: Any, edge: Any, where: Where, order: Any) -> DirectField:
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
        "where": where.input | None,
        "order_by": list[order] | None,
        "return": connection,
    }

    async def resolve(_root: None, info: GraphQLResolveInfo[Context], /, **given: Any) -> Any:
        services = info.context.services
        table = services.tables[type_.name]
        ordered = resolving.order_of(table, read_order(given.get("orderBy")))
        listing = Listing(table, where.read(given.get("where")), ordered)
        walk = resolving.walk_of(services, listing, *(given.get(name) for name in _PAGE))
        await reach(info.context, type_, given)
        page = await resolving.page(services, listing, walk)
        edges = [edge(cursor=listing.cursor_of(row), node=row) for row in page.items]
        about = page_info(page, [one.cursor for one in edges])
        return connection(listing=listing, edges=edges, page_info=about)

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
        first, after, last, before = (given.get(name) for name in _PAGE)
        if first is None and last is None:
            first = _EVENTS_OF_ROW
        asked = stream_page(info.context.services, aggregate.stream_of(row), first, after, last, before)
        page = await info.context.batching.stream_events.load(asked)
        return events.connection(page, lambda event: event.version)

    description = (
        f"The events of the stream of this row, oldest first; by default the first {_EVENTS_OF_ROW}. A "
        "cursor is a version of the stream."
    )
    return DirectField(strawberry.field(declared, name=_EVENTS, description=description), resolve, of)


async def reach(context: Context, type_: ProjectionType, given: Given = _NO_WAIT) -> None:
    """Waits until the table shows `atLeast`. Adds the position of the table to the response."""
    table = context.services.tables[type_.name]
    now = await reached(context.services, table, given.get("atLeast"), given["timeoutMs"])
    reported = context.extensions.setdefault("projections", {})
    name = camel(type_.query)
    if name not in reported or int(reported[name]["position"]) > now.position:
        reported[name] = {"position": str(now.position), "lag": now.lag}
        if (error := why_behind(context.services, type_.name)) is not None:
            reported[name]["error"] = error
        if (stopped := context.services.progress.stopped(type_.name)) is not None:
            reported[name]["stopped"] = stopped_extension(shown(context.services, stopped))
