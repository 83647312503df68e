"""Whole tables and pages of them, as the tests of projections read them."""

from __future__ import annotations

from typing import Any

from commander.domain.filters import EVERY_ROW, Order
from commander.eventstore.database import Database
from commander.eventstore.projections.queries import count_rows, rows_from
from commander.eventstore.projections.tables import Table


async def page_of_rows(database: Database, table: Table, after: Any | None, limit: int) -> list[Any]:
    """At most `limit` rows in the order of their key, behind this key."""
    order = Order((table.projection.key_field,))
    return await rows_from(database, table, EVERY_ROW, order, limit, None if after is None else (after,))


async def count_of_rows(database: Database, table: Table) -> int:
    return await count_rows(database, table, EVERY_ROW)
