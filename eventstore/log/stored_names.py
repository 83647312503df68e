"""The names under which events and commands are stored, with their counts.

A table holds them up to a position of the log. Whoever reads them first counts what was added since. So each
event is counted once, by nobody who appends, and also if a process of an earlier version appended it.
"""

from __future__ import annotations

import logging

from commander.domain.comparing import StoredNames
from commander.eventstore.database import Connection, Database, reaching_postgres
from commander.eventstore.sql import statement

logger = logging.getLogger("commander.names")

_COUNT = statement("count_names")
_MOST = 200_000
"""The maximum of events, and of commands, that one transaction counts."""


async def stored_names(database: Database) -> StoredNames:
    """The names of what is stored. Raises Unavailable."""
    await count_names(database)
    counts = await database.fetch("select kind, aggregate, name, count from stored_names")
    tables = await database.fetch(
        """select 'reactor' as kind, name from reactors union all select 'effect', name from effects
           union all select distinct 'projection', name from projections
           union all select 'recurring', name from recurring
           union all select distinct 'unique key', substr(name, 8) from log_indexes
           where name like 'unique %'"""
    )
    of = {kind: frozenset(r["name"] for r in tables if r["kind"] == kind) for kind in _KINDS}
    return StoredNames(
        events={(r["aggregate"], r["name"]): r["count"] for r in counts if r["kind"] == "event"},
        commands={r["name"]: r["count"] for r in counts if r["kind"] == "command"},
        others=of,
    )


_KINDS = ("reactor", "effect", "projection", "recurring", "unique key")


async def count_names(database: Database) -> None:
    """Counts what was added since the last count, part by part. Others wait meanwhile."""
    async with database.connection() as connection:
        while await _count_part(connection):
            pass


async def _count_part(connection: Connection) -> bool:
    """Counts one part. Returns whether there is more. All positions up to the head are visible."""
    with reaching_postgres(connection):
        async with connection.transaction():
            counted = await connection.fetchrow(  # it locks the row until the commit
                """insert into stored_names_counted (position, commands) values (0, 0)
                   on conflict (only_row) do update set position = stored_names_counted.position
                   returning position, commands"""
            )
            newest = await connection.fetchrow("select position, commands from log_head")
            assert counted is not None and newest is not None, "both tables have their row"
            (position, commands), (head, number) = counted, newest
            if (position, commands) == (head, number):
                return False
            if head - position > _MOST and position % (10 * _MOST) == 0:
                logger.info("counting the names in the log: %d of %d", position, head)
            up_to, last = min(head, position + _MOST), min(number, commands + _MOST)
            await connection.execute(_COUNT, position, up_to, commands, last)
            return (up_to, last) != (head, number)
