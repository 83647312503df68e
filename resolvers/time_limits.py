"""A limit of time for a piece of work. What it runs in Postgres ends with it: the driver cancels that."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from commander.resolvers.allowances import TimedOut

T = TypeVar("T")


async def within(seconds: float, work: Awaitable[T], remedy: str = "ask for less") -> T:
    """The result of the work. 0 seconds: as long as it takes. Raises TimedOut."""
    if not seconds:
        return await work
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await work
    except TimeoutError:
        if limit.expired():
            raise TimedOut(seconds, remedy) from None
        raise
