"""Commands that may have crashed their processor: how often each was tried, stored before it is tried."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

import asyncpg

from commander.domain.errors import Unavailable
from commander.eventstore.database import Connection, reaching_postgres


async def begin_running(connection: Connection, partitions: Sequence[int]) -> list[int]:
    """Marks the partitions as being decided; returns those that were so marked: their processor died."""
    with reaching_postgres(connection):
        rows = await connection.fetch(
            """with before as (
                   select partition, running from partitions where partition = any($1::int[]) for update
               ), marked as (
                   update partitions set running = true where partition = any($1::int[])
               )
               select partition from before where running""",
            partitions,
        )
    return [row["partition"] for row in rows]


async def end_running(connection: Connection, partitions: Sequence[int]) -> None:
    """Takes the mark away: the partitions were given back in good order."""
    with reaching_postgres(connection):
        await connection.execute(
            "update partitions set running = false where partition = any($1::int[])", partitions
        )


async def leave(connection: Connection, partitions: Sequence[int], timeout_seconds: float = 2) -> None:
    """Closes the connection that owns these partitions, their mark taken away if Postgres still hears it."""
    try:
        with reaching_postgres(connection):
            async with asyncio.timeout(timeout_seconds):
                await end_running(connection, partitions)
                await connection.close()
    except (Unavailable, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()


async def count_attempt(connection: Connection, command_id: UUID) -> int:
    """Stores one more attempt at this command, for good, and returns how many there are now."""
    with reaching_postgres(connection):
        return int(
            await connection.fetchval(
                """insert into attempts (command_id, count) values ($1, 1)
                   on conflict (command_id) do update set count = attempts.count + 1, last_at = now()
                   returning count""",
                command_id,
            )
        )


async def forget_attempts(connection: Connection, command_ids: Sequence[UUID]) -> None:
    """These have their outcome now."""
    with reaching_postgres(connection):
        await connection.execute("delete from attempts where command_id = any($1::uuid[])", command_ids)
