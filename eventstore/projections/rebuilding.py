"""Another table for the same version of the code, beside the one that serves."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

from commander.domain import ProjectionType
from commander.eventstore.database import Database
from commander.eventstore.locks import Lock
from commander.eventstore.projections.serving import make_table, table_records
from commander.eventstore.projections.tables import Table


async def rebuild(
    database: Database, projection: ProjectionType, *, serves: bool = True, after: int | None = None
) -> Table:
    """Creates another table for this version of the code. The process that runs its projections fills it.

    serves: whether the table serves as soon as it is filled. after: the build that it follows, so that of
    several processes one creates it; None: the newest.
    """
    async with database.connection() as connection, connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1, 0)", int(Lock.MIGRATIONS))
        last = await connection.fetchval(
            "select max(build) from projections where name = $1 and fingerprint = $2",
            projection.name,
            projection.fingerprint,
        )
        build = (last or 0) + 1 if after is None else after + 1
        table = Table(projection, None if build == 1 else _name_of_build(projection, build))
        await make_table(connection, table, build, serves=serves)
    return table


async def rebuild_held(
    database: Database, projection: ProjectionType, knows: Callable[[str], bool]
) -> Table | None:
    """Creates another table if the newest one of this code is held and the code knows a skipped type now.

    Returns None if that is not so.
    """
    records = [
        one
        for one in await table_records(database, [projection.name])
        if one.fingerprint == projection.fingerprint
    ]
    newest = max(records, key=lambda one: one.build, default=None)
    if newest is None or not newest.is_held or not any(map(knows, newest.skipped or ())):
        return None
    return await rebuild(database, projection, after=newest.build)


def _name_of_build(projection: ProjectionType, build: int) -> str:
    """The name of a later build. It is as long as that of the first, because Postgres limits names."""
    digest = blake2b(f"{projection.fingerprint} {build}".encode(), digest_size=4).hexdigest()
    return f"projection_{projection.name}_{digest}"
