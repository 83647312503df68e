"""Which deadlines their reactor has cancelled. The code that decides asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from commander.eventstore.database import Connection, reaching_postgres
from commander.eventstore.records import SubmittedCommand
from commander.eventstore.sql import statement

_CANCELLED = statement("cancelled_deadlines")


async def cancelled_deadlines(connection: Connection, deadlines: Sequence[SubmittedCommand]) -> set[UUID]:
    """The ids of those deadlines that their reactor has cancelled. Raises Unavailable.

    A deadline is checked when it fires, because it may have been queued before it was cancelled, or come from
    code whose states were rebuilt since.
    """
    with reaching_postgres(connection):
        rows = await connection.fetch(
            _CANCELLED,
            [one.command_id for one in deadlines],
            [one.reactor for one in deadlines],
            [one.deadline[0] for one in deadlines if one.deadline is not None],
            [one.deadline[1] for one in deadlines if one.deadline is not None],
            [one.causation_position for one in deadlines],
        )
    return {row["command_id"] for row in rows}
