"""Rows put into the bank's tables as they are, without the log they would be the fold of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from commander.eventstore.projections.folding import ensure_tables
from commander.resolvers.services import Services


async def store(services: Services, name: str, rows: Sequence[Any]) -> None:
    """These rows and no others."""
    table = services.tables[name]
    await ensure_tables(services.database, services.tables.values())
    async with services.database.connection() as connection:
        await connection.execute(f'delete from "{table.name}"')
        await connection.execute(table.upsert, *table.columns_of(list(rows)))
