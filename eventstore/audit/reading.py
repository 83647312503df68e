"""How audits read: without the server's time limits, and with a connection of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from commander.eventstore.database import Connection, Database, reaching_postgres
from commander.eventstore.sessions import unlimited

LONG_SECONDS = 24 * 3600
"""The time limit of a statement that reads the whole log."""


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
                yield connection
