"""What a process stores so that the next one detects its death: which run handles events.

A handler of events is a projection's table, a partition of a reactor, or the retry of a parked key. A run is
one start of a process. It marks its handlers when it takes them, and removes its marks when it ends. So
nothing is stored per event. If a run finds the mark of another one, that one has died, maybe of an event:

    (no row) ─► marked ─► (no row: the run has ended)
                marked ─ another run finds it ─► deaths 1, 2: it handles the next events one by one
                                                 deaths 3: the cause is set aside
                                                 all is handled ─► marked

Before each event `cause` is stored, its position. If very many events may be the cause, they are handled in
ranges first, and `cause` is the last position of the range. So a run that is killed from outside sets
nothing aside, unless runs are killed at the same event again and again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import NamedTuple
from uuid import UUID

import asyncpg

from commander.domain.errors import Unavailable
from commander.eventstore.database import Connection, reaching_postgres
from commander.eventstore.sql import statement

MOST_DEATHS = 3
"""An event is set aside if it has ended so many runs."""
_BEGIN = statement("begin_handling")


class Left(NamedTuple):
    """A handler that another run has left marked. deaths, cause: what that run had stored."""

    deaths: int
    cause: int | None

    def deaths_now(self, handled: int) -> int:
        """How many runs the next events may have ended, the last one included. handled: the checkpoint."""
        if self.cause is None or self.cause <= handled:
            return 1
        return min(self.deaths + 1, MOST_DEATHS)


async def begin_handling(connection: Connection, handlers: Collection[str], run: UUID) -> dict[str, Left]:
    """Marks these handlers. Returns those that another run has left marked; they keep its mark.

    Raises Unavailable.
    """
    with reaching_postgres(connection):
        rows = await connection.fetch(_BEGIN, handlers, run)
    return {row["handler"]: Left(row["deaths"], row["cause"]) for row in rows}


async def mark_handling(
    connection: Connection, handlers: Collection[str], run: UUID, deaths: int = 0, cause: int | None = None
) -> None:
    """Marks these handlers, whoever has left them marked. Raises Unavailable.

    deaths, cause: in quarantine, before the events up to this position are handled.
    """
    with reaching_postgres(connection):
        await connection.execute(
            """insert into handling (handler, run, deaths, cause)
               select handler, $2, $3, $4 from unnest($1::text[]) as handler
               on conflict (handler) do update
               set run = excluded.run, deaths = excluded.deaths, cause = excluded.cause""",
            handlers,
            run,
            deaths,
            cause,
        )


async def end_handling(
    connection: Connection, handlers: Collection[str], run: UUID, timeout_seconds: float = 2
) -> None:
    """Removes the marks of this run if Postgres answers in time. What is set aside stays so."""
    try:
        with reaching_postgres(connection):
            async with asyncio.timeout(timeout_seconds):
                await connection.execute(
                    "delete from handling where handler = any($1::text[]) and run = $2 and deaths < $3",
                    handlers,
                    run,
                    MOST_DEATHS,
                )
    except (Unavailable, asyncpg.PostgresError, asyncpg.InterfaceError):
        pass  # the next run takes it for a death, which costs some transactions
