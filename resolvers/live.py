"""Following a row or a list of rows: the current rows, then their changes. Resumable by cursor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from types import SimpleNamespace
from typing import Any

from commander.domain import ProjectionType
from commander.domain.checking import problems_of
from commander.domain.errors import CommanderError
from commander.domain.filters import NO_ROW, AllOf, Condition, Filter, Operator, projections_of, reduced
from commander.resolvers.read_your_writes import Shown, reached, shows
from commander.resolvers.services import Services
from commander.streaming.live.changes import Cursor, LiveItem


async def follow_rows(
    services: Services,
    type_: ProjectionType,
    where: Filter,
    after: Cursor | None,
    at_least: int | None,
    timeout_ms: int,
) -> AsyncGenerator[LiveItem, None]:
    """The matching rows and their changes; see `commander.streaming.live.live`.

    at_least: as for queries. The projections that links of the filter lead to are waited for too.

    Raises the errors of both, and ProjectionBuilding.
    """
    read = (type_.name, *projections_of(where))
    for found in await asyncio.gather(*(shows(services, Shown(one, at_least, timeout_ms)) for one in read)):
        if isinstance(found, CommanderError):
            raise found
    async with aclosing(services.live.follow(type_.name, where, None, after)) as items:
        async for item in items:
            yield item


async def follow_row(
    services: Services,
    type_: ProjectionType,
    where: Filter,
    key: Any,
    after: Cursor | None,
    at_least: int | None,
    timeout_ms: int,
) -> AsyncGenerator[tuple[LiveItem, Any | None], None]:
    """The row with this key if it matches, then after each change, each with the item that it came with."""
    field = type_.key_field
    # Some impossible keys are values that Postgres does not accept at all.
    possible = not problems_of((field,), SimpleNamespace(**{field.name: key}))
    wanted = reduced(AllOf((Condition(field, Operator.EQ, key), where))) if possible else NO_ROW
    await reached(services, services.tables[type_.name], at_least, timeout_ms)
    row = None
    followed = services.live.follow(type_.name, wanted, key if possible else None, after)
    async with aclosing(followed) as items:
        async for item in items:
            if item.snapshot or item.changes:
                row = item.changes[-1].row if item.changes else None
            yield item, row
