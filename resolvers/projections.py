"""Reading projections: one row by its key, or a page of a list, filtered and ordered, in both directions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from types import SimpleNamespace
from typing import Any

from commander.domain import Field
from commander.domain.checking import problems_of
from commander.domain.errors import InvalidRequest
from commander.domain.filters import Filter, Order, Place
from commander.eventstore.projections.folding import row_by_key
from commander.eventstore.projections.queries import count_rows, rows_from
from commander.eventstore.projections.tables import Table
from commander.resolvers.cursors import place_from, row_cursor_of
from commander.resolvers.events import Page, page_size
from commander.resolvers.services import Services

ReadRows = Callable[[Order, int, Place | None, bool], Awaitable[list[Any]]]
"""Reads the first rows in an order, at most so many, after a place. True: the row at the place too."""


@dataclass(frozen=True)
class Listing:
    """A list: the rows of a projection that match a filter, in an order. name: for its cursors."""

    name: str
    table: Table
    where: Filter
    order: Order

    def cursor_of(self, row: Any) -> str:
        return row_cursor_of(self.name, self.order, self.order.place_of(row))


@dataclass(frozen=True)
class Walk:
    """How a page is read: at most `size` rows after `begin` and before `end`, in `order`.

    forward: whether `order` is the order of the list.
    """

    size: int
    order: Order
    begin: Place | None
    end: Place | None
    forward: bool


async def row(services: Services, table: Table, key: Any) -> Any | None:
    """The row with this key. None if there is none."""
    field = table.projection.key_field
    # Some impossible keys are values that Postgres does not accept at all.
    if problems_of((field,), SimpleNamespace(**{field.name: key})):
        return None
    return await row_by_key(services.database, table, key)


def order_of(orders: Sequence[tuple[Field, ...]], columns: Sequence[tuple[str, bool]]) -> Order:
    """The order by these columns, each with whether it is descending. The key is added: the order is total.

    orders: those that an index supports; the first is by the key. Raises InvalidRequest for another one: each
    page would have to sort the table.
    """
    if not columns:
        return Order(orders[0])
    [key] = orders[0]
    names, directions = [name for name, _ in columns], {descending for _, descending in columns}
    found = next((o for o in orders if [f.name for f in o] in (names, [*names, key.name])), None)
    if found is None:
        allowed = "; ".join(", ".join(f.graphql_name for f in o[: max(1, len(o) - 1)]) for o in orders)
        raise InvalidRequest("orderBy", f"no index has this order; the indexes are: {allowed}")
    if len(directions) > 1:
        raise InvalidRequest("orderBy", "all columns must have the same direction")
    return Order(found, directions.pop())


def walk_of(
    services: Services,
    listing: Listing,
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
) -> Walk:
    """The walk for the `first` rows after `after`, or the `last` rows before `before`. Both cursors limit it.

    Raises InvalidRequest for a size above the limit, and for a cursor of another list or order.
    """
    if first is not None and last is not None:
        raise InvalidRequest("last", "give first or last, not both")
    begin, end = _place(listing, "after", after), _place(listing, "before", before)
    if last is None:
        return Walk(page_size(services, first), listing.order, begin, end, forward=True)
    size = page_size(services, last, "last")
    return Walk(size, listing.order.reversed, end, begin, forward=False)


async def page(walk: Walk, read: ReadRows) -> Page[Any]:
    """A page, in the order of the list, in whichever direction it is read. read: reads rows of the list.

    It reads one row more than the page has, and drops the rows at or after the end of the walk.
    """
    order = walk.order
    found = within = await read(order, walk.size + 1, walk.begin, False)
    if (end := walk.end) is not None:
        within = list(takewhile(lambda row: order.is_before(order.place_of(row), end), found))
    kept = within[: walk.size]
    beyond = len(found) > len(kept)

    async def behind() -> bool:
        return bool(await read(order.reversed, 1, walk.begin, True))

    left = False if walk.begin is None else behind
    if walk.forward:
        return Page(kept, more=beyond, earlier=left)
    return Page(kept[::-1], more=left, earlier=beyond)


def reading(services: Services, listing: Listing) -> ReadRows:
    """Reads rows of a list."""

    async def read(order: Order, limit: int, begin: Place | None, inclusive: bool) -> list[Any]:
        return await rows_from(
            services.database,
            listing.table,
            listing.where,
            order,
            limit,
            begin,
            inclusive=inclusive,
            tables=services.tables,
        )

    return read


async def total(services: Services, listing: Listing) -> int:
    """The number of rows of the list."""
    return await count_rows(services.database, listing.table, listing.where, services.tables)


def _place(listing: Listing, argument: str, cursor: str | None) -> Place | None:
    return None if cursor is None else place_from(argument, cursor, listing.name, listing.order)
