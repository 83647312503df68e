"""Links between rows: the row that a field refers to, and the list of the rows that refer to a row."""

from __future__ import annotations

from typing import Any

import strawberry
from graphql import GraphQLResolveInfo

from commander.domain import Domain
from commander.domain.filters import Order, Place, projections_of
from commander.domain.links import Link
from commander.eventstore.projections.queries import RowPage
from commander.resolvers.links import Referring
from commander.resolvers.projections import Listing, order_of, walk_of
from commander.resolvers.visible_rows import must_see, narrowed
from commander.schema.context import Context
from commander.schema.names import camel
from commander.schema.types.direct_field import DirectField
from commander.schema.types.filters import read_order
from commander.schema.types.read_your_writes import reach_by_link
from commander.schema.types.row_lists import PAGE, RowList

_OF_A_ROW = 10
"""The items of a page by default."""


def link_field(link: Link, of: str, row: Any) -> DirectField:
    """The field of a row for the row that it refers to. of: the name of its type. row: the other type."""

    def declared() -> Any: ...

    declared.__annotations__["return"] = row | None

    async def resolve(own: Any, info: GraphQLResolveInfo[Context], /) -> Any:
        key = getattr(own, link.field.name)
        if key is None:
            return None
        info.context.size.add(1)
        await reach_by_link(info, link.target)
        return await info.context.batching.rows.load((link.target.name, key))

    description = (
        f"The `{camel(link.target.query)}` that `{link.field.graphql_name}` refers to. Null if there is none."
    )
    field = strawberry.field(
        declared, name=link.name, description=description, deprecation_reason=link.field.deprecated
    )
    return DirectField(field, resolve, of)


def reverse_field(link: Link, name: str, of: str, rows: RowList, domain: Domain) -> DirectField:
    """The field of a row for the list of the rows that refer to it. name: of the field. of: of its type.

    It may be null: if the other projection cannot be read, the row is still shown.
    """
    orders = link.source.orders_of_link(link.field)

    def declared(
        where: Any = None,
        order_by: Any = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> Any: ...

    declared.__annotations__ |= {
        "where": rows.where.input | None,
        "order_by": list[rows.order] | None,  # type: ignore[name-defined]
        "return": rows.connection | None,
    }

    async def resolve(row: Any, info: GraphQLResolveInfo[Context], /, **given: Any) -> Any:
        services, batching, rights = info.context.services, info.context.batching, info.context.rights
        table = services.tables[link.source.name]
        where = narrowed(rights, link.source, rows.where.read(given.get("where")), domain.projections)
        order = order_of(orders, read_order(given.get("orderBy")))
        must_see(rights, link.source, (link.field, *order.fields), "orderBy")
        listing = Listing(f"{of}.{name}", table, where, order)
        if given.get("first") is None and given.get("last") is None:
            given["first"] = min(_OF_A_ROW, services.limits.max_page)
        walk = walk_of(services, listing, *(given.get(argument) for argument in PAGE))
        for projection in (link.source.name, *projections_of(where)):
            await reach_by_link(info, domain.projections[projection])
        referring = Referring(link, getattr(row, link.target.key))

        async def read(order: Order, limit: int, begin: Place | None, inclusive: bool) -> list[Any]:
            page = RowPage(where, order, limit, begin, inclusive)
            return list(await batching.pages_of_links.load((referring, page)))

        async def count() -> int:
            return int(await batching.counts_of_links.load((referring, where)))

        return await rows.page(rights, listing, walk, read, count)

    description = (
        f"The `{camel(link.source.plural)}` whose `{link.name}` is this row; by default the first "
        f"{_OF_A_ROW}. An order is that of an index over `{link.field.graphql_name}` and the columns."
    )
    return DirectField(strawberry.field(declared, name=name, description=description), resolve, of)
