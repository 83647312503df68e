"""Migrations: numbered files, applied in order by the first process that starts."""

from __future__ import annotations

import logging
from pathlib import Path

from commander.domain.errors import CommanderError
from commander.eventstore.database import Database
from commander.eventstore.locks import Lock
from commander.eventstore.sessions import unlimited

logger = logging.getLogger("commander.postgres")

_LONG_SECONDS = 24 * 3600
_MOST_IDLE = "set local idle_in_transaction_session_timeout = '10s'"
"""All processes that start wait for the one that migrates. So it may not fall silent."""


class SchemaTooNew(CommanderError):
    """The database was migrated by a newer version of Commander. Run that version or a later one."""


async def migrate(database: Database) -> None:
    """Applies the missing migrations. Many processes may call it at once: the others wait for the first.

    Raises SchemaTooNew if the database has a migration that this code does not know.
    """
    async with database.connection() as connection, connection.transaction():
        await unlimited(connection)
        await connection.execute(_MOST_IDLE)
        await connection.execute(
            "select pg_advisory_xact_lock($1, 0)", int(Lock.MIGRATIONS), timeout=_LONG_SECONDS
        )
        await connection.execute(
            """create table if not exists schema_migrations (
                   version integer primary key,
                   name text not null,
                   applied_at timestamptz not null default now()
               )"""
        )
        applied = {r["version"] for r in await connection.fetch("select version from schema_migrations")}
        known = _migrations()
        unknown = applied - {version for version, _, _ in known}
        if unknown:
            problem = f"the database has migration {max(unknown)}, which this version does not know"
            raise SchemaTooNew(f"{problem}; run the version that applied it, or a later one")
        for version, name, sql in known:
            if version not in applied:
                await connection.execute(sql, timeout=_LONG_SECONDS)
                await connection.execute(
                    "insert into schema_migrations (version, name) values ($1, $2)", version, name
                )
                logger.info("applied migration %s", name)


def _migrations() -> list[tuple[int, str, str]]:
    """(number, name, SQL) of each migration, in order."""
    found = sorted((Path(__file__).parent / "migrations").glob("*.sql"))
    return [(int(f.stem.split("_")[0]), f.stem, f.read_text("utf-8")) for f in found]
