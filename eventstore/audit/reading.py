"""How audits read: without the server's time limits, and with a connection of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from commander.eventstore.database import Connection, Database, reaching_postgres
from commander.eventstore.sessions import unlimited

LONG_SECONDS = 24 * 3600
"""The time limit of a statement that reads the whole log."""
_PLANS = """set local enable_bitmapscan to off; set local enable_sort to off; set local work_mem to '32MB';
            set local jit to off"""
"""Audits read ranges of the log in its order, which an index has.

Without statistics, or with old ones, for example soon after a restore, the planner takes each range for a few
rows. It would sort all that is left of the log for each page, and join in ways that are only good for a few.
"""


@asynccontextmanager
async def reading(
    database: Database, isolation: Literal["read_committed", "repeatable_read"] = "read_committed"
) -> AsyncIterator[Connection]:
    """A connection in a transaction. Raises Unavailable.

    repeatable_read: all that it reads is of one moment.
    """
    async with database.connection() as connection:
        with reaching_postgres(connection):
            async with connection.transaction(isolation=isolation):
                await unlimited(connection)
                await connection.execute(_PLANS)
                yield connection
