"""The system that a command of the command line works on: what Postgres knows of it."""

from __future__ import annotations

from commander.domain.errors import NotFound
from commander.eventstore.database import Database
from commander.eventstore.log.identity import Identity, identity_of
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.names import Names


async def join(nats: Nats, database: Database) -> None:
    """Makes a connection one of the database's system. Raises NotFound before the system's first start."""
    nats.use(Names(await _identity(database)))


async def joined_with_any_epoch(nats: Nats, database: Database) -> None:
    """As `join`, for comparing and mending: the streams may be of another epoch than the log."""
    nats.use(Names(await _identity(database), any_epoch=True))


async def _identity(database: Database) -> Identity:
    identity = await identity_of(database)
    if identity is None:
        raise NotFound("no part of Commander was started on this database yet")
    return identity
