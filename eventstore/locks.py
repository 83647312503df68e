"""Advisory locks: at most one process does a task, for as long as its connection lives.

A session lock ends with its connection. So a process that writes through the connection that holds the lock
cannot write after it has lost the lock. Through a pooler that shares sessions between connections, session
locks hold nobody back: poolers.py finds such a one.
"""

from __future__ import annotations

import asyncio
from binascii import crc32
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import IntEnum

from commander.eventstore.database import Connection, Database, reaching_postgres
from commander.eventstore.poolers import must_be_the_same


class Lock(IntEnum):
    """The first key of each kind of lock. The prefix 0x434d00 separates them from other programs' locks.

    presence.py has two more.
    """

    MIGRATIONS = 0x434D01
    PARTITION = 0x434D02
    PROCESSORS = 0x434D03
    RELAY = 0x434D04
    PROJECTION = 0x434D05
    REACTOR = 0x434D06
    EFFECT = 0x434D07
    REACTORS = 0x434D08
    RECURRING = 0x434D0A
    PENDING = 0x434D0B
    LOG_INDEX = 0x434D0E
    STANDING_BY = 0x434D0F


def lock_key(name: str) -> int:
    """The second key of a lock, for a name: a signed 32-bit hash."""
    return crc32(name.encode()) - 2**31


async def try_lock(connection: Connection, lock: Lock, key: int = 0) -> bool:
    """Takes the lock for the life of this connection if it is free; returns whether it did.

    Raises Unavailable, and NotASession.
    """
    with reaching_postgres(connection):
        found = await connection.fetchrow(
            "select pg_try_advisory_lock($1, $2) as taken, pg_backend_pid() as pid", int(lock), key
        )
    assert found is not None, "it has one row"
    must_be_the_same(connection, found["pid"])
    return bool(found["taken"])


@asynccontextmanager
async def sole_holder(
    database: Database,
    lock: Lock,
    key: int,
    application_name: str,
    *,
    durable: bool = True,
    retry_seconds: float = 1,
) -> AsyncIterator[Connection]:
    """Waits for the lock and gives the connection that holds it. The connection is closed on exit.

    durable: see `Database.connect`. Raises Unavailable.
    """
    connection = await database.connect(application_name, durable=durable)
    try:
        while not await try_lock(connection, lock, key):  # noqa: ASYNC110  # there is no event to await
            await asyncio.sleep(retry_seconds)
        yield connection
    finally:
        connection.terminate()


async def unlock(connection: Connection, lock: Lock, key: int = 0) -> None:
    """Releases a lock that this connection holds. Raises Unavailable."""
    with reaching_postgres(connection):
        await connection.execute("select pg_advisory_unlock($1, $2)", int(lock), key)


async def join(connection: Connection, lock: Lock, key: int = 0) -> int:
    """Takes a shared lock: this connection is a member, see sharing.py. Waits for an exclusive holder.

    Returns the process id of the session. Raises Unavailable, and NotASession.
    """
    with reaching_postgres(connection):
        sql = "select pg_backend_pid() from pg_advisory_lock_shared($1, $2)"
        pid: int = await connection.fetchval(sql, int(lock), key)
    must_be_the_same(connection, pid)
    return pid


async def leave(connection: Connection, lock: Lock, key: int = 0) -> None:
    """Releases a shared lock that this connection holds. Raises Unavailable."""
    with reaching_postgres(connection):
        await connection.execute("select pg_advisory_unlock_shared($1, $2)", int(lock), key)


async def held_keys(database: Database, lock: Lock) -> set[int]:
    """The second keys of the locks of this kind that are held in this database."""
    return {key for _, key in await lock_holders(database, lock)}


async def lock_holders(database: Database, *locks: Lock) -> dict[tuple[Lock, int], int]:
    """The session that holds each lock of these kinds in this database, by lock and second key."""
    rows = await database.fetch(
        """select classid::bigint, objid::bigint, pid from pg_locks
           where locktype = 'advisory' and classid = any($1::bigint[]) and granted
             and database = (select oid from pg_database where datname = current_database())""",
        [int(lock) for lock in locks],
    )
    return {(Lock(kind), (key + 2**31) % 2**32 - 2**31): pid for kind, key, pid in rows}
