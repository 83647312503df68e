"""One database for all of the event store's tests, emptied for each; and others where one is not enough."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest_asyncio

from commander.dev.embedded import EmbeddedPostgres
from commander.domain import Domain
from commander.eventstore.database import Database
from commander.eventstore.migrate import migrate
from commander.eventstore.records import RecordedEvent

NOW = datetime(2030, 1, 1, tzinfo=UTC)
MakeDatabase = Callable[[], Awaitable[Database]]


def recorded_of(domain: Domain, events: list[Any], after: int = 0) -> list[RecordedEvent]:
    """These events as the log would have them."""
    found = []
    for position, event in enumerate(events, after + 1):
        type_ = domain.type_of(event)
        data = type_.encode(event).decode()
        found.append(
            RecordedEvent(position, "item-1", position, type_.name, 1, data, uuid4(), uuid4(), None, NOW)
        )
    return found


@pytest_asyncio.fixture
async def postgres_admin(postgres: EmbeddedPostgres) -> AsyncIterator[Database]:
    """Another database of the same server."""
    admin = Database(postgres.url.replace(f"/{postgres.database}?", "/postgres?"))
    yield admin
    await admin.close()


# As a replica applies what it is sent: no trigger stands in the way, not even that of the log.
EMPTY = """
do $$
declare name text;
begin
    set local session_replication_role = replica;
    for name in select tablename from pg_tables where schemaname = 'public' loop
        if name like 'projection\\_%' then
            execute format('drop table %I', name);
        elsif name not in ('schema_migrations', 'log_head') then
            execute format('delete from %I', name);
        end if;
    end loop;
    update log_head set position = 0, commands = 0, recorded_at = 'epoch';
end $$
"""


async def migrated(postgres: EmbeddedPostgres, name: str) -> str:
    """The URL of a new database with Commander's tables."""
    admin = Database(postgres.url.replace(f"/{postgres.database}?", "/postgres?"))
    await admin.fetch(f"create database {name}")
    await admin.close()
    url = postgres.url.replace(f"/{postgres.database}?", f"/{name}?")
    database = Database(url)
    await migrate(database)
    await database.close()
    return url


@pytest_asyncio.fixture(scope="session")
async def reused_url(postgres: EmbeddedPostgres) -> str:
    """A migrated database for all of these tests."""
    return await migrated(postgres, "reused")


@pytest_asyncio.fixture
async def database(reused_url: str) -> AsyncIterator[Database]:
    """A migrated database with nothing in it. (Emptying one is quicker than making one.)"""
    opened = Database(reused_url)
    others = "select count(*) from pg_stat_activity where datname = 'reused' and pid <> pg_backend_pid()"
    async with asyncio.timeout(10), opened.connection() as connection:
        while await connection.fetchval(others):  # the test before closed them; the server may not know yet
            await asyncio.sleep(0.005)
        await connection.execute(EMPTY)
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def empty_database(postgres: EmbeddedPostgres, postgres_admin: Database) -> AsyncIterator[MakeDatabase]:
    """Makes databases in which there is nothing yet."""
    made: dict[str, Database] = {}

    async def make() -> Database:
        name = f"empty_{uuid4().hex}"
        await postgres_admin.fetch(f'create database "{name}"')
        made[name] = Database(postgres.url.replace(f"/{postgres.database}?", f"/{name}?"))
        return made[name]

    yield make
    for name, database in made.items():
        await database.close()
        await postgres_admin.fetch(f'drop database "{name}" with (force)')


@pytest_asyncio.fixture(scope="session")
async def other_url(postgres: EmbeddedPostgres) -> str:
    """Another migrated database, to import into."""
    return await migrated(postgres, "other")


@pytest_asyncio.fixture
async def other(other_url: str) -> Any:
    opened = Database(other_url)
    await opened.fetch(EMPTY)
    yield opened
    await opened.close()
