"""Tables that are read although no process keeps them up with the log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from commander.eventstore.database import Connection, Database
from commander.eventstore.projections.keeping import kept_up, take_over
from commander.eventstore.projections.tables import Table
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.signals import tables_signal

logger = logging.getLogger("commander.projections")

_ERROR_SECONDS = 15.0
"""How long a table may be without a process before it is an error: its process may be starting again."""


class AbandonedTables:
    """For how long the tables that are read have been without a process that keeps them up.

    errors: by projection, what is wrong and what to do.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._since: dict[str, float] = {}
        self.errors: Mapping[str, str] = {}

    async def look(self, read: Mapping[str, str]) -> None:
        """read: the table of each projection that is read. Raises Unavailable."""
        kept = await kept_up(self._database, read.values())
        now = asyncio.get_running_loop().time()
        self._since = {name: self._since.get(name, now) for name in read.values() if name not in kept}
        errors = {
            projection: not_kept_up(projection, table)
            for projection, table in read.items()
            if self.seconds(table) >= _ERROR_SECONDS
        }
        for projection, error in errors.items():
            if self.errors.get(projection) != error:
                logger.error("the projection %s: %s", projection, error)
        self.errors = errors

    def seconds(self, table: str) -> float:
        """For how long no process has kept this table up; negative if one does."""
        since = self._since.get(table)
        return -1.0 if since is None else asyncio.get_running_loop().time() - since


async def replace_abandoned(connection: Connection, nats: Nats, table: Table, abandoned: str | None) -> None:
    """Lets a table at the head take over from another one (None: from none), if still no process keeps it up.

    connection: that of the table's projector. Raises Unavailable.
    """
    if abandoned is not None and await take_over(connection, table, abandoned):
        logger.warning("%s serves, because no process kept %s up with the log", table.name, abandoned)
        await nats.publish_signals([tables_signal(nats.names)])


def not_kept_up(projection: str, table: str) -> str:
    """What is wrong with a table that is read and that no process keeps up, and what to do."""
    return (
        f"{table} is read, but no process keeps it up with the log: run `commander projections` with the "
        f"code that made it, or `commander projections switch {projection}`"
    )
