"""Commands that may have crashed their processor. Each attempt is counted before it begins."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

import asyncpg

from commander.domain.errors import Unavailable
from commander.eventstore.database import Connection, reaching_postgres


async def begin_running(connection: Connection, partitions: Sequence[int]) -> list[int]:
    """Marks the partitions as running. Returns those that were already marked: their processor crashed."""
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
    """Removes the mark: the processor released the partitions normally."""
    with reaching_postgres(connection):
        await connection.execute(
            "update partitions set running = false where partition = any($1::int[])", partitions
        )


async def release_partitions(
    connection: Connection, partitions: Sequence[int], timeout_seconds: float = 2
) -> None:
    """Removes the mark if Postgres answers in time, then closes the connection that holds the partitions."""
    try:
        with reaching_postgres(connection):
            async with asyncio.timeout(timeout_seconds):
                await end_running(connection, partitions)
                await connection.close()
    except (Unavailable, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()


async def count_attempt(connection: Connection, command_id: UUID) -> int:
    """Stores one more attempt at this command and returns the number of attempts."""
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
    """Deletes the attempts of these commands, which have an outcome now."""
    with reaching_postgres(connection):
        await connection.execute("delete from attempts where command_id = any($1::uuid[])", command_ids)
