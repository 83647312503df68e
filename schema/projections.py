"""The queries of a projection: one row by its key, and the list as a Relay connection."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry
from strawberry.types import Info

from commander.domain import Domain, ProjectionType
from commander.domain.time_travel import aggregate_behind
from resolvers import projections as resolving
from schema.context import Context
from schema.events import EventTypes, PageInfo
from schema.names import camel, capitalized
from schema.time_travel import add_history, by_key_as_of
from schema.types import TypeMap


def projection_fields(domain: Domain, type_: ProjectionType, types: TypeMap, events: EventTypes) -> list[Any]:
    """The fields of Query for this projection."""
    name = capitalized(camel(type_.name))
    row = types.object_type(name, type_.fields, where=type_.where, description=type_.doc)
    edge = _type(f"{name}Edge", {"cursor": str, "node": row})
    connection = _connection(type_, name, edge)
    travels = aggregate_behind(domain, type_) is not None
    if travels:
        add_history(type_, row, events)
    by_key = by_key_as_of(type_, row, types) if travels else _by_key(type_, row, types)
    return [by_key, _list(type_, connection, edge)]


def _type(name: str, annotations: dict[str, Any]) -> Any:
    return strawberry.type(
        type(name, (), {"__annotations__": annotations, "__module__": __name__}), name=name
    )


def _connection(type_: ProjectionType, name: str, edge: Any) -> Any:
    async def total_count(info: Info[Context, None]) -> int:
        services = info.context.services
        return await resolving.total(services, services.tables[type_.name])

    namespace = {
        "__annotations__": {"edges": list[edge], "page_info": PageInfo},
        "__module__": __name__,
        "total_count": strawberry.field(total_count, description="How many there are in all."),
    }
    return strawberry.type(type(f"{name}Connection", (), namespace), name=f"{name}Connection")


def _by_key(type_: ProjectionType, row: Any, types: TypeMap) -> Any:
    async def resolve(info: Info[Context, None], key: Any) -> Any:
        services = info.context.services
        return await resolving.row(services, services.tables[type_.name], key)

    # The argument bears the key's own name, account(accountId:), but here another: a key may be named info.
    argument = strawberry.argument(name=camel(type_.key))
    key_type = types.annotation(type_.key_field, is_input=True)
    resolve.__annotations__ |= {"key": Annotated[key_type, argument], "return": row | None}
    return strawberry.field(resolve, name=camel(type_.name), description=type_.doc or None)


def _list(type_: ProjectionType, connection: Any, edge: Any) -> Any:
    async def resolve(info: Info[Context, None], first: int | None = None, after: str | None = None) -> Any:
        services = info.context.services
        table = services.tables[type_.name]
        page = await resolving.rows(services, table, first, after)
        edges = [edge(cursor=resolving.cursor_of(table, row), node=row) for row in page.items]
        end = edges[-1].cursor if edges else None
        return connection(edges=edges, page_info=PageInfo(has_next_page=page.more, end_cursor=end))

    resolve.__annotations__ |= {"return": connection}
    description = "All of them, in the order of their key."
    return strawberry.field(resolve, name=camel(type_.plural), description=description)
