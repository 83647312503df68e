"""Rows of the past: the queries `accountAt` and `accountHistory` of a projection `account`.

A row of the past has a type of its own, AccountAt. So no client that stores objects by type and key can take
it for the row as it is now.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import strawberry
from graphql import GraphQLResolveInfo
from strawberry import UNSET

from commander.domain import ProjectionType, Rights
from commander.domain.errors import InvalidRequest
from commander.domain.links import Link
from commander.eventstore.projections.versions import RowVersion as Made
from commander.resolvers import time_travel as resolving
from commander.resolvers.visible_events import visible_events
from commander.resolvers.visible_rows import sees_every_row, visible
from commander.schema.context import Context
from commander.schema.names import camel
from commander.schema.types.direct_field import DirectField, Given
from commander.schema.types.events import EventTypes
from commander.schema.types.field_types import TypeMap
from commander.schema.types.paging import PageInfo, page_info
from commander.schema.types.records import Command, Event, ended
from commander.schema.types.scalars import Position

_HISTORY = "history"
_PAGE = ("first", "after", "last", "before")


@strawberry.input(
    name="AsOf",
    one_of=True,
    description="A point in the past. The events at that point are included.",
)
class AsOfInput:
    position: Position | None = strawberry.field(
        default=UNSET, description="A position of the log, from 1 to the head."
    )
    time: datetime | None = strawberry.field(
        default=UNSET, description="A time, from the first event of the log to now."
    )
    version: int | None = strawberry.field(
        default=UNSET, description="A version of the row's stream, from 1 to the newest."
    )


@strawberry.interface(description="A row as it was after one event of its stream.")
class RowVersion:
    version: int = strawberry.field(description="The version of the stream after the event.")
    position: Position = strawberry.field(description="The position of the event in the log.")
    recorded_at: datetime = strawberry.field(description="The time at which the event was stored.")
    event: Event | None = strawberry.field(
        description="The event that made this version. Null for those who may not see it."
    )
    command: Command = strawberry.field(description="The command that made the event.")


_PLACE: dict[str, tuple[Any, str]] = {
    "version": (int, "The version of the row's stream that this is the row of."),
    "position": (Position, "The position of the event of this version."),
    "time": (datetime, "The time at which the event of this version was stored."),
}
"""The fields of a past row beside its columns, each with its type. A column of that name replaces it."""


def past_names(name: str) -> list[str]:
    """The names of the types for the past of a row. name: that of the row's type."""
    return [f"{name}{kind}" for kind in ("At", "Version", "VersionEdge", "VersionConnection")]


@dataclass(frozen=True)
class PastRows:
    """The type of the past rows of one projection.

    name: of the type. row: the class that Strawberry made. place: the fields beside its columns.
    """

    type: ProjectionType
    name: str
    row: Any
    place: tuple[str, ...]

    def of(self, rights: Rights | None, made: Made, as_of: resolving.AsOf | None = None) -> Any | None:
        """A version of a row as its GraphQL type. None if there was no row that the viewer sees.

        The rule of the rows is held against the row as it was.
        as_of: the point at which its links are followed; by default that of its event.
        """
        row = visible(rights, self.type, made.row)
        if row is None:
            return None
        event = made.event
        place = {"version": event.version, "position": Position(event.position), "time": event.recorded_at}
        columns = {field.name: getattr(row, field.name) for field in self.type.fields}
        at = as_of if as_of is not None and as_of.version is None else resolving.AsOf(position=event.position)
        return self.row(**columns, **{name: place[name] for name in self.place}, _as_of=at)

    def link(self, link: Link, target: PastRows) -> DirectField:
        """The field of the past rows for a link, which leads to a row as it was at the same point."""

        def declared() -> Any: ...

        async def resolve(row: Any, info: GraphQLResolveInfo[Context], /) -> Any:
            key = getattr(row, link.field.name)
            if key is None:
                return None
            info.context.size.add(1)
            asked = resolving.PastRow(link.target.name, key, row._as_of)
            made = await info.context.batching.past_rows.load(asked)
            return None if made is None else target.of(info.context.rights, made, row._as_of)

        declared.__annotations__["return"] = target.row | None
        description = (
            f"The `{camel(link.target.query)}` that `{link.field.graphql_name}` refers to, as it was at the "
            "same point. Null if there was none."
        )
        field = strawberry.field(
            declared, name=link.name, description=description, deprecation_reason=link.field.deprecated
        )
        return DirectField(field, resolve, self.name)


def past_rows(name: str, type_: ProjectionType, links: Iterable[Link], types: TypeMap) -> PastRows:
    """The type of past rows, whose fields for links follow. links: those from its rows.

    Raises DefinitionError if another type has the name of one of its types.
    """
    columns = {field.graphql_name for field in type_.fields} | {field.name for field in type_.fields}
    columns |= {link.name for link in links}
    place = tuple(one for one in _PLACE if one not in columns)
    past_name = past_names(name)[0]
    row = types.object_type(
        past_name,
        type_.fields,
        where=type_.where,
        description=f"{name} as it was at a point in the past.",
        more={one: strawberry.field(description=_PLACE[one][1]) for one in place},
        annotations={one: _PLACE[one][0] for one in place} | {"_as_of": strawberry.Private[resolving.AsOf]},
    )
    for one in past_names(name)[1:]:
        types.claim(one, type_.where)
    return PastRows(type_, past_name, row, place)


def row_at(name: str, past: PastRows, types: TypeMap) -> DirectField:
    """The field of Query for a row at a point in the past."""
    type_, shown = past.type, camel(past.type.key)

    def declared(key: Any, as_of: AsOfInput) -> Any: ...

    argument = strawberry.argument(name=shown)
    key_type = types.annotation(type_.key_field, is_input=True)
    declared.__annotations__ |= {"key": Annotated[key_type, argument], "return": past.row | None}

    async def resolve(_root: None, info: GraphQLResolveInfo[Context], /, **given: Any) -> Any:
        services = info.context.services
        as_of = resolving.AsOf(**given["asOf"])
        rights = info.context.rights
        try:
            made = await resolving.row_as_of(services, services.tables[type_.name], given[shown], as_of)
        except InvalidRequest:
            if as_of.version is not None and not sees_every_row(rights, type_):
                return None  # the error says how many versions there are, of a row that may be another's
            raise
        return None if made is None else past.of(rights, made, as_of)

    description = f"{name} as it was at a point in the past, folded from the log. Null if there was none."
    field = strawberry.field(declared, name=f"{camel(type_.query)}At", description=description)
    return DirectField(field, resolve, "Query")


def history_fields(name: str, past: PastRows, events: EventTypes, types: TypeMap) -> list[DirectField]:
    """The versions of a row: the field `history` of the row, and the field of Query for rows that are gone.

    A row with a column named `history` has only that column.
    """
    type_ = past.type
    _, version_name, edge_name, connection_name = past_names(name)
    description = f"{name} as it was after one event. `row` is null if the event removed the row."
    version = _type(version_name, {"row": past.row | None}, RowVersion, description)
    edge: Any = _type(edge_name, {"cursor": str, "node": version})
    connection = _type(connection_name, {"edges": list[edge], "page_info": PageInfo})

    async def versions(context: Context, key: Any, given: Given) -> Any:
        table, rights = context.services.tables[type_.name], context.rights
        walk = {name: given.get(name) for name in _PAGE}
        page = await resolving.versions_of_row(context.services, table, key, **walk)
        events_made = [made.version.event for made in page.items]
        seen = {one.position for one in await visible_events(context.services, rights, events_made)}
        edges = [
            edge(cursor=resolving.version_cursor_of(table, made.version), node=node(context, made, seen))
            for made in page.items
            if sees_every_row(rights, type_) or visible(rights, type_, made.version.row) is not None
        ]
        return connection(edges=edges, page_info=page_info(page, [one.cursor for one in edges]))

    def node(context: Context, made: resolving.MadeVersion, seen: set[int]) -> Any:
        event = made.version.event
        return version(
            version=event.version,
            position=Position(event.position),
            recorded_at=event.recorded_at,
            event=events.of(event, context.rights) if event.position in seen else None,
            command=ended(made.command, events, context.rights),
            row=past.of(context.rights, made.version),
        )

    def declared(
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> Any: ...

    async def of_row(row: Any, info: GraphQLResolveInfo[Context], /, **given: Any) -> Any:
        return await versions(info.context, getattr(row, type_.key), given)

    def declared_by_key(
        key: Any,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> Any: ...

    async def by_key(_root: None, info: GraphQLResolveInfo[Context], /, **given: Any) -> Any:
        return await versions(info.context, given[shown], given)

    shown = camel(type_.key)
    key_type = types.annotation(type_.key_field, is_input=True)
    declared.__annotations__ |= {"return": connection}
    argument = strawberry.argument(name=shown)
    declared_by_key.__annotations__ |= {"key": Annotated[key_type, argument], "return": connection}
    of_rows = strawberry.field(declared, name=_HISTORY, description="All versions of the row, oldest first.")
    of_keys = strawberry.field(
        declared_by_key,
        name=f"{camel(type_.query)}History",
        description=f"All versions of the {name} with this key, oldest first, also if it is gone.",
    )
    taken = any(field.graphql_name == _HISTORY for field in type_.fields)
    made = [] if taken else [DirectField(of_rows, of_row, name)]
    return made if shown in _PAGE else [*made, DirectField(of_keys, by_key, "Query")]


def _type(name: str, annotations: dict[str, Any], base: Any = object, description: str | None = None) -> Any:
    namespace = {"__annotations__": annotations, "__module__": __name__}
    return strawberry.type(type(name, (base,), namespace), name=name, description=description)
