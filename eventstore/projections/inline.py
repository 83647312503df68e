"""Inline projections: their rows are written in the transaction that appends the events, so never behind.

Why several processors may touch the same row: an append locks the one row of log_head until it commits, so of
all transactions that append only one is here at a time, and they come in the order of positions. Each sees
what the one before has written, and moves the checkpoint from the head before to the head after.

Who writes the table is said by `inline` in its record, which only changes under the same lock: while it is
true, whoever appends; otherwise the projector that holds the table's session lock. The price is that the log
is locked for as long as the rows take.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import asyncpg

from commander.domain import Domain, ProjectionFailed, UndecodableEvent
from commander.eventstore.database import Connection, reaching_postgres
from commander.eventstore.log.event_log import Appended
from commander.eventstore.projections.folding import fold, save_failure
from commander.eventstore.projections.rows import LoggedEvent
from commander.eventstore.projections.serving import TableGone, lock_log
from commander.eventstore.projections.stretches import read_stretch
from commander.eventstore.projections.tables import Table

logger = logging.getLogger("commander.projections")

_MOST_MISSING = 1000
"""How many events may be folded while the log is locked: those of processors without the projection."""


class InlineProjections:
    """What a processor does for the inline projections of its code; false where there are none."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self._projections = {p.name: p for p in domain.projections.values() if p.inline}
        self._tables: dict[str, Table] = {}

    def __bool__(self) -> bool:
        return bool(self._projections)

    async def fold(self, connection: Connection, appended: Appended) -> list[str]:
        """Folds what was appended in this transaction; returns the tables that are as far as the log now.

        A projection that cannot fold it stops, and is no longer inline: a read table must not keep commands
        from being applied. Its projector tries again, and hands it back once it has caught up.
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
                await _stop(connection, table, error.position, str(error))
            except asyncpg.PostgresError as error:  # somebody has changed the table
                await _stop(connection, table, position + 1, f"{type(error).__name__}: {error}")
        return folded


async def _stop(connection: Connection, table: Table, position: int, error: str) -> None:
    logger.error("%s; %s is no longer written with the events", error, table.name)
    await _leave(connection, table)
    await save_failure(connection, table, position, error)


async def _missed(
    connection: Connection, table: Table, position: int, up_to: int
) -> Sequence[LoggedEvent] | None:
    """The events that others appended without folding them; None for too many: that is a projector's work."""
    stretch = await read_stretch(connection, position, table.projection.by_event, _MOST_MISSING, up_to)
    if stretch.up_to >= up_to:
        return stretch.events
    await _leave(connection, table)
    return None


async def hand_over(connection: Connection, domain: Domain, table: Table, position: int) -> bool:
    """From its projector, who has come to this position, to whoever appends: in one transaction.

    False when too much is missing. In an outer transaction, what that does holds from the same moment on.
    Raises what `fold` raises.
    """
    with reaching_postgres(connection):
        async with connection.transaction():
            head = await lock_log(connection)
            missed = await _missed(connection, table, position, head)
            if missed is None:
                return False
            await fold(connection, domain, table, missed, head)
            await connection.execute("update projections set inline = true where table_name = $1", table.name)
    return True


async def take_back(connection: Connection, table: Table) -> None:
    """From whoever appends to its projector."""
    with reaching_postgres(connection):
        async with connection.transaction():
            await lock_log(connection)
            await _leave(connection, table)


async def _leave(connection: Connection, table: Table) -> None:
    await connection.execute("update projections set inline = false where table_name = $1", table.name)


async def is_behind(connection: Connection, table: Table) -> bool:
    """Whether somebody appended without folding: in one snapshot, the head is beyond the checkpoint."""
    with reaching_postgres(connection):
        return bool(
            await connection.fetchval(
                """select log_head.position > projections.position from log_head, projections
                   where table_name = $1""",
                table.name,
            )
        )
