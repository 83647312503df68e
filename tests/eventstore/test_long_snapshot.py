"""While a long snapshot lasts (pg_dump, a logical slot, a standby), work on the log stays as cheap as before.

Postgres keeps every version of a row that the snapshot may still see. So what is counted is the pages that
the same work touches, at the beginning and after many repetitions.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from uuid import uuid4

import asyncpg

from commander.eventstore.database import Connection, Database
from commander.eventstore.log.checkpoints import partition_progress, settle_partitions
from commander.eventstore.log.event_log import append, head_position
from commander.eventstore.records import Progress
from tests.eventstore.decisions import decision

MANY = 1000
FEW = 100
CREATED = datetime(2030, 1, 1, tzinfo=UTC)
_PAGES = """select sum(coalesce(heap_blks_hit, 0) + coalesce(heap_blks_read, 0) + coalesce(idx_blks_hit, 0)
                       + coalesce(idx_blks_read, 0))::bigint
            from pg_statio_user_tables"""


@asynccontextmanager
async def long_snapshot(database: Database) -> AsyncIterator[None]:
    connection = await asyncpg.connect(database.url)  # ours may not stay idle in a transaction
    try:
        async with connection.transaction(isolation="repeatable_read"):
            await connection.fetch("select count(*) from commands")
            yield
    finally:
        await connection.close()


async def pages_touched(connection: Connection) -> int:
    await connection.execute("select pg_stat_force_next_flush()")
    return int(await connection.fetchval(_PAGES))


async def assert_pages_stay_the_same(connection: Connection, once: Callable[[], Awaitable[object]]) -> None:
    """The last repetitions touch about as many pages as the first ones."""
    touched = []
    for repetitions in (FEW, MANY, FEW):
        before = await pages_touched(connection)
        for _ in range(repetitions):
            await once()
        touched.append((await pages_touched(connection) - before) / repetitions)
    first, _, last = touched
    assert last <= 1.3 * first + 5, f"{touched} pages per repetition"


async def test_an_append_touches_as_many_pages_after_thousands_of_others(database: Database) -> None:
    await settle_partitions(database, 8)
    sequences = count(1)
    async with long_snapshot(database), database.connection() as connection:

        async def once() -> None:
            progress = Progress(tuple(range(8)), next(sequences), CREATED)
            await append(connection, [decision(f"account-{uuid4()}", 0)], progress)

        await assert_pages_stay_the_same(connection, once)
        stored = await partition_progress(connection, range(8))
    appended = 2 * FEW + MANY
    assert stored == {p: Progress((p,), appended, CREATED) for p in range(8)}
    assert await head_position(database) == appended
