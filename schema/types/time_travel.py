"""Rows of the past: the argument `asOf` of a row's query, and the field `history` of its type."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import strawberry
from graphql.pyutils import Path
from strawberry import UNSET
from strawberry.types import Info, get_object_definition

from commander.domain import ProjectionType
from commander.domain.errors import InvalidRequest
from commander.resolvers import time_travel as resolving
from commander.schema.context import Context
from commander.schema.types.events import EventTypes
from commander.schema.types.field_types import TypeMap
from commander.schema.types.paging import PageInfo, page_info
from commander.schema.types.records import Command, Event, ended
from commander.schema.types.scalars import Position

_HISTORY = "history"


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
    position: Position
    recorded_at: datetime
    event: Event
    command: Command = strawberry.field(description="The command that made the event.")


def history_names(name: str) -> list[str]:
    """The names of the types that the history of a row adds to the schema. name: that of the row's type."""
    return [f"{name}Version", f"{name}VersionEdge", f"{name}VersionConnection"]


def add_history(type_: ProjectionType, row: Any, types: TypeMap, events: EventTypes) -> None:
    """Adds the field `history` to the type of a row, unless a column has that name.

    Raises DefinitionError if another type has the name of one of its types.
    """
    if any(field.graphql_name == _HISTORY for field in type_.fields):
        return
    definition = get_object_definition(row, strict=True)
    name = definition.name
    for one in history_names(name):
        types.claim(one, type_.where)
    version_name, edge_name, connection_name = history_names(name)
    description = f"{name} as it was after one event. `row` is null if the event removed the row."
    version = _type(version_name, {"row": row | None}, RowVersion, description)
    edge: Any = _type(edge_name, {"cursor": str, "node": version})
    connection = _type(connection_name, {"edges": list[edge], "page_info": PageInfo})

    async def history(
        root: Any, info: Info[Context, None], first: int | None = None, after: str | None = None
    ) -> Any:
        if _inside(info, version_name):
            raise InvalidRequest(
                _HISTORY, "must not be nested in itself: all versions of a row have the same history"
            )
        services = info.context.services
        table = services.tables[type_.name]
        page = await resolving.versions_of_row(services, table, getattr(root, type_.key), first, after)
        edges = [
            edge(cursor=resolving.version_cursor_of(table, made.version), node=node(made))
            for made in page.items
        ]
        return connection(edges=edges, page_info=page_info(page, [one.cursor for one in edges]))

    def node(made: resolving.MadeVersion) -> Any:
        event, then = made.version
        return version(
            version=event.version,
            position=Position(event.position),
            recorded_at=event.recorded_at,
            event=events.of(event),
            command=ended(made.command, events),
            row=then,
        )

    history.__annotations__ |= {"return": connection}
    field = strawberry.field(
        history,
        name=_HISTORY,
        description="All versions of the row, oldest first. `asOf` does not limit them.",
    )
    field.python_name = _HISTORY
    definition.fields.append(field)  # added last: its type refers to the type of the row


def _inside(info: Info[Context, None], type_name: str) -> bool:
    """Whether the field that is being resolved is nested in a field of this type."""
    path: Path | None = info.path
    while path is not None:
        if path.typename == type_name:
            return True
        path = path.prev
    return False


def _type(name: str, annotations: dict[str, Any], base: Any = object, description: str | None = None) -> Any:
    namespace = {"__annotations__": annotations, "__module__": __name__}
    return strawberry.type(type(name, (base,), namespace), name=name, description=description)
