"""The outcomes of commands. Each command has at most one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from commander.eventstore.database import Connection, Database, reaching_postgres
from commander.eventstore.log.ranges import read_log
from commander.eventstore.records import Outcome, RecordedEvent
from commander.eventstore.sql import array_text, statement

_KNOWN = statement("known_commands")
_EVENTS = statement("events_of_commands")


async def known_outcomes(connection: Connection, command_ids: Sequence[UUID]) -> dict[UUID, Outcome]:
    """The outcomes of these commands, by command id. A command without an outcome is missing."""
    with reaching_postgres(connection):
        rows = await connection.fetch(_KNOWN, array_text(command_ids))
    return {row["command_id"]: Outcome(*row) for row in rows}


async def ended_among(database: Database, command_ids: Sequence[UUID]) -> set[UUID]:
    """Those of these commands that have an outcome. Raises Unavailable."""
    rows = await database.fetch("select command_id from commands where command_id = any($1)", command_ids)
    return {row["command_id"] for row in rows}


async def outcome_of(database: Database, command_id: UUID) -> Outcome | None:
    """The outcome of a command; None if it is pending or unknown."""
    row = await database.fetchrow(_KNOWN, array_text([command_id]))
    return None if row is None else Outcome(*row)


async def events_of_outcome(database: Database, outcome: Outcome) -> list[RecordedEvent]:
    """The events of a command, which are adjacent in the log."""
    if not outcome.event_count:
        return []
    first = outcome.position - outcome.event_count
    return await read_log(database, first, outcome.position, outcome.event_count)


async def events_of_outcomes(
    connection: Connection, outcomes: Collection[Outcome]
) -> dict[UUID, list[RecordedEvent]]:
    """The events of these commands, by command id, with one query. A command without events has none."""
    found: dict[UUID, list[RecordedEvent]] = {one.command_id: [] for one in outcomes}
    with_events = [one for one in outcomes if one.event_count]
    if with_events:
        after = [one.position - one.event_count for one in with_events]
        up_to = [one.position for one in with_events]
        with reaching_postgres(connection):
            rows = await connection.fetch(_EVENTS, after, up_to, sum(one.event_count for one in with_events))
        for row in rows:
            found[row["command_id"]].append(RecordedEvent(*row))
    return found
