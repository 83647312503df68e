"""What a processor stores so that the next one detects its crash: marks of partitions, attempts at commands.

A partition is marked as running by the run of a processor that decides its commands. A run is one start of a
processor. Each attempt at a command that may have crashed a processor is counted before it begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import asyncpg

from commander.domain.errors import Unavailable
from commander.eventstore.database import Connection, reaching_postgres
from commander.eventstore.sql import statement

_BEGIN = statement("begin_running")
_REPLACE = statement("replace_attempts")


@dataclass(frozen=True)
class Run:
    """One start of a processor. id: it is in the marks of its partitions.

    survived: commands with an attempt that is stored and has not ended this run. It is to be forgotten.
    """

    id: UUID = field(default_factory=uuid4)
    survived: set[UUID] = field(default_factory=set)


async def begin_running(connection: Connection, partitions: Sequence[int], run: Run) -> list[list[int]]:
    """Marks these partitions as running. Returns those that another run left marked, one list per run.

    These are not marked: call `mark_running` when quarantined commands have outcomes. Raises Unavailable.
    """
    with reaching_postgres(connection):
        return [row["partitions"] for row in await connection.fetch(_BEGIN, partitions, run.id)]


async def mark_running(connection: Connection, partitions: Sequence[int], run: Run) -> None:
    """Marks these partitions as running, whoever has left them marked. Raises Unavailable."""
    with reaching_postgres(connection):
        await connection.execute(
            "update partitions set running = true, owner = $2 where partition = any($1::int[])",
            partitions,
            run.id,
        )


async def end_running(connection: Connection, partitions: Sequence[int], run: Run) -> None:
    """Removes the marks of this run: it releases the partitions. Other marks stay. Raises Unavailable."""
    with reaching_postgres(connection):
        await connection.execute(
            """update partitions set running = false, owner = null
               where partition = any($1::int[]) and owner = $2""",
            partitions,
            run.id,
        )


async def release_partitions(
    connection: Connection, partitions: Sequence[int], run: Run, timeout_seconds: float = 2
) -> None:
    """Removes the marks if Postgres answers in time, then closes the connection that holds the partitions."""
    try:
        with reaching_postgres(connection):
            async with asyncio.timeout(timeout_seconds):
                await end_running(connection, partitions, run)
                await forget_survived(connection, run)
                await connection.close()
    except (Unavailable, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()


async def attempts_at(connection: Connection, command_ids: Collection[UUID]) -> dict[UUID, int]:
    """How many attempts at these commands are stored, by command. One without is missing."""
    with reaching_postgres(connection):
        rows = await connection.fetch(
            "select command_id, count from attempts where command_id = any($1::uuid[])", command_ids
        )
    return {row["command_id"]: row["count"] for row in rows}


async def replace_attempts(
    connection: Connection, decided: Collection[UUID], next_: Collection[UUID]
) -> None:
    """Forgets the attempts at decided commands, and counts one more attempt at the next ones."""
    with reaching_postgres(connection):
        await connection.execute(_REPLACE, decided, next_)


async def forget_survived(connection: Connection, run: Run) -> None:
    """Forgets the attempts that did not end this run: a server was lost, or the process was stopped."""
    if run.survived:
        await replace_attempts(connection, run.survived, ())
        run.survived.clear()
