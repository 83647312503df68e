"""The system that a command of the command line works on: what Postgres knows of it."""

from __future__ import annotations

from commander.domain.errors import NotFound
from commander.eventstore.database import Database
from commander.eventstore.log.identity import identity_of
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.names import Names


async def join(nats: Nats, database: Database) -> None:
    """Makes a connection one of the database's system. Raises NotFound before the system's first start."""
    identity = await identity_of(database)
    if identity is None:
        raise NotFound("no part of Commander was started on this database yet")
    nats.use(Names(identity))
