"""Inline projections: their rows are written in the transaction that appends the events, so they never lag.

Why several processors may write the same row: an append locks the log until it commits. So
only one appending transaction is here at a time, in the order of positions. Each sees the rows of the one
before, and moves the checkpoint from the old head to the new one.

The column `inline` of the table's record says who writes the table. It changes only under the same lock. If
it is true, each appending processor writes the table. If it is false, the projector that holds the table's
session lock does. The cost: the log is locked while the rows are written.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import asyncpg

from commander.domain import Domain, ProjectionFailed, UndecodableEvent
from commander.eventstore.database import Connection, reaching_postgres
from commander.eventstore.log.event_log import Appended
from commander.eventstore.projections.folding import fold, save_failure
from commander.eventstore.projections.log_ranges import read_range
from commander.eventstore.projections.rows import LoggedEvent
from commander.eventstore.projections.serving import TableGone, hold_log
from commander.eventstore.projections.tables import Table

logger = logging.getLogger("commander.projections")

_MOST_MISSING = 1000
"""The maximum of missed events that are folded while the log is locked.

Events are missed if a processor whose code does not have the projection appended them.
"""


class InlineProjections:
    """The inline projections of a processor's domain. The object is false if there are none."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self._projections = {p.name: p for p in domain.projections.values() if p.inline}
        self._tables: dict[str, Table] = {}

    def __bool__(self) -> bool:
        return bool(self._projections)

    async def fold(self, connection: Connection, appended: Appended) -> list[str]:
        """Folds the events appended in this transaction. Returns the tables that are at the head now.

        A projection that cannot fold them stops and leaves inline mode: a read table must not block commands.
        Its projector retries, and re-enters inline mode when it has caught up.
        """
        if not appended.events:
            return []
        records = await connection.fetch(
            """select table_name, name, position from projections
               where inline and (name, fingerprint) in (select * from unnest($1::text[], $2::text[]))""",
            list(self._projections),
            [p.fingerprint for p in self._projections.values()],
        )
        up_to = appended.events[-1].position
        folded = []
        for name, projection, position in records:
            table = self._tables.get(name) or Table(self._projections[projection], name)
            self._tables[name] = table
            try:
                missed = await _missed(connection, table, position, appended.base)
                if missed is not None:
                    await fold(connection, self._domain, table, [*missed, *appended.events], up_to)
                    folded.append(name)
            except TableGone as error:
                logger.info("%s", error)
            except (ProjectionFailed, UndecodableEvent) as error:
                await _stop(connection, table, error.position, error, str(error))
            except asyncpg.PostgresError as error:  # the table was changed by hand
                await _stop(connection, table, position + 1, error, f"{type(error).__name__}: {error}")
        return folded

    async def leave(self, connection: Connection) -> None:
        """All of them leave inline mode, in a transaction that appends: one may have ended the process.

        A command must not be blamed for that. The projectors fold its events.
        """
        left = await connection.fetch(
            """update projections set inline = false
               where inline and (name, fingerprint) in (select * from unnest($1::text[], $2::text[]))
               returning table_name""",
            list(self._projections),
            [p.fingerprint for p in self._projections.values()],
        )
        for (name,) in left:
            logger.warning("%s leaves inline mode: it may have ended the processor", name)


async def _stop(connection: Connection, table: Table, position: int, error: Exception, reason: str) -> None:
    logger.error("%s; %s leaves inline mode", reason, table.name, exc_info=error)
    await _leave_inline(connection, table)
    await save_failure(connection, table, position, reason, error)


async def _missed(
    connection: Connection, table: Table, position: int, up_to: int
) -> Sequence[LoggedEvent] | None:
    """The events that others appended without folding them.

    If they are too many, leaves inline mode: None.
    """
    log_range = await read_range(connection, position, table.projection.by_event, _MOST_MISSING, up_to)
    if log_range.up_to >= up_to:
        return log_range.events
    await _leave_inline(connection, table)
    return None


async def enter_inline(connection: Connection, domain: Domain, table: Table, position: int) -> bool:
    """Enters inline mode: the projector, at this position, hands the table to the appending processors.

    It takes one transaction. If the caller has a transaction open, both take effect at its commit.
    Returns False if too many events are missing. Raises what `fold` raises.
    """
    with reaching_postgres(connection):
        async with connection.transaction():
            head = await hold_log(connection)
            missed = await _missed(connection, table, position, head)
            if missed is None:
                return False
            await fold(connection, domain, table, missed, head)
            await connection.execute("update projections set inline = true where table_name = $1", table.name)
    return True


async def leave_inline(connection: Connection, table: Table) -> None:
    """Leaves inline mode: the table returns to its projector."""
    with reaching_postgres(connection):
        async with connection.transaction():
            await hold_log(connection)
            await _leave_inline(connection, table)


async def _leave_inline(connection: Connection, table: Table) -> None:
    await connection.execute("update projections set inline = false where table_name = $1", table.name)


async def is_behind(connection: Connection, table: Table) -> bool:
    """Whether the table lags: in one snapshot, the head is beyond its checkpoint."""
    with reaching_postgres(connection):
        return bool(
            await connection.fetchval(
                """select log_head.position > projections.position from log_head, projections
                   where table_name = $1""",
                table.name,
            )
        )
