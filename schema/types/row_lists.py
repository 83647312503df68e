"""Lists of rows as Relay connections: those of a projection, and those of the rows that refer to a row."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import strawberry
from strawberry.types import Info

from commander.domain import ProjectionType, Rights
from commander.resolvers import projections as resolving
from commander.resolvers.projections import Listing, ReadRows, Walk
from commander.resolvers.visible_rows import masked
from commander.schema.context import Context
from commander.schema.types.field_types import TypeMap
from commander.schema.types.filters import Where, order_input
from commander.schema.types.paging import PageInfo, page_info

PAGE = ("first", "after", "last", "before")
Count = Callable[[], Awaitable[int]]


@dataclass(frozen=True, eq=False)
class RowList:
    """The types of the lists of one projection's rows. where: reads their filter. order: of `orderBy`."""

    type: ProjectionType
    row: Any
    edge: Any
    connection: Any
    where: Where
    order: Any

    async def page(
        self, rights: Rights | None, listing: Listing, walk: Walk, read: ReadRows, count: Count
    ) -> Any:
        """A page of a list. read, count: read and count its rows, all of which the viewer sees."""
        page = await resolving.page(walk, read)
        edges = [
            self.edge(cursor=listing.cursor_of(row), node=masked(rights, self.type, row))
            for row in page.items
        ]
        about = page_info(page, [one.cursor for one in edges])
        return self.connection(count=count, edges=edges, page_info=about)


def row_list(name: str, type_: ProjectionType, row: Any, where: Where, types: TypeMap) -> RowList:
    """The types of the lists. name: of the type of the rows, which is `row`."""
    edge = strawberry.type(
        type(f"{name}Edge", (), {"__annotations__": {"cursor": str, "node": row}, "__module__": __name__}),
        name=f"{name}Edge",
    )
    return RowList(type_, row, edge, _connection(name, edge), where, order_input(name, type_, types))


def _connection(name: str, edge: Any) -> Any:
    async def total_count(root: Any, info: Info[Context, None]) -> int:
        found: int = await root.count()
        return found

    namespace = {
        "__annotations__": {"count": strawberry.Private[object], "edges": list[edge], "page_info": PageInfo},
        "__module__": __name__,
        "total_count": strawberry.field(
            total_count,
            description="The number of rows that match `where`. It is counted: omit it if unused.",
        ),
    }
    return strawberry.type(type(f"{name}Connection", (), namespace), name=f"{name}Connection")
