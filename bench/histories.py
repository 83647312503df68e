"""Logs that are long already: filled once in each run, by SQL, and cloned for each use."""

from __future__ import annotations

from bench.servers import Servers
from commander.eventstore.database import Connection, Database

_LONG_SECONDS = 1200


async def database_with(servers: Servers, name: str, fill: str, events: int, *binds: object) -> str:
    """The name of a database, for a template, whose log holds what a statement puts into it.

    fill: inserts into events; its first bind is their number.
    """
    url = servers.postgres.url
    admin = Database(url.replace(f"/{servers.postgres.database}?", "/postgres?"))
    try:
        if await admin.fetchval("select true from pg_database where datname = $1", name):
            return name
        await admin.fetch(f'create database "{name}" template "{servers.postgres.database}"')
    finally:
        await admin.close()
    database = Database(
        url.replace(f"/{servers.postgres.database}?", f"/{name}?"), command_timeout_seconds=_LONG_SECONDS
    )
    try:
        async with database.connection() as connection:
            await _fill(connection, fill, events, *binds)
    finally:
        await database.close()
    return name


async def _fill(connection: Connection, fill: str, events: int, *binds: object) -> None:
    async with connection.transaction():
        await connection.execute(fill, events, *binds)
    await connection.execute("vacuum (analyze, freeze) events")
