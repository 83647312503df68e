"""More databases, where one is not enough."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest_asyncio

from commander.dev.embedded import EmbeddedPostgres
from commander.domain import Domain
from commander.eventstore.database import Database
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
