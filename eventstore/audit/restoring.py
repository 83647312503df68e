"""Writes again what the rest of the log tells: events from their messages, and outcomes from their events.

No processor may run meanwhile: it keeps states in memory that were folded from the damaged events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

import asyncpg
from msgspec.structs import astuple

from commander.domain import Domain, UndecodableEvent, UnknownEvent
from commander.domain.errors import CommanderError
from commander.eventstore.database import Connection
from commander.eventstore.records import Outcome, RecordedEvent, Status
from commander.eventstore.sql import statement

_MADE = statement("events_of_damaged")
_UPDATE = statement("restore_outcome")
_FAILURES = frozenset(
    {
        "CAUSATION_TOO_DEEP",
        "CRASHED_PROCESSOR",
        "DECIDER_RAISED",
        "DECIDER_TIMED_OUT",
        "GIVEN_UP",
        "HOOK_RAISED",
        "INVALID_DECISION",
        "UNDECODABLE_COMMAND",
        "UNREADABLE_STREAM",
    }
)
"""The codes of failed commands. Any other code is that of a rejection."""


class CannotRestore(CommanderError):
    """Events cannot be written again. The message says why; nothing was changed."""


def fits(domain: Domain, event: RecordedEvent, outcomes: Mapping[UUID, Outcome]) -> bool:
    """Whether the event can be that of its command's outcome, and can be decoded. outcomes: by command id."""
    outcome = outcomes.get(event.command_id)
    if outcome is None:
        return False
    first = outcome.position - outcome.event_count + 1
    if outcome.status == Status.APPLIED:
        wanted = outcome.stream, outcome.version - (outcome.position - event.position)
    else:
        wanted = f"reaction-{outcome.command_id}", 1
    if not first <= event.position <= outcome.position or (event.stream, event.version) != wanted:
        return False
    if (event.correlation_id, event.causation_position, event.recorded_at) != (
        outcome.correlation_id,
        outcome.causation_position,
        outcome.decided_at,
    ):
        return False
    try:
        domain.decode(event.type, event.schema_version, event.data, event.position)
    except UnknownEvent:
        return True  # other code knows it
    except UndecodableEvent:
        return False
    return True


async def restore_events(connection: Connection, events: Sequence[RecordedEvent]) -> None:
    """Writes these events in place of what the log has at their positions, in the caller's transaction.

    Raises CannotRestore if the database user does not own the tables, or if another event has one's version.
    """
    columns = RecordedEvent.__struct_fields__
    try:
        await connection.execute("alter table events disable trigger events_are_immutable")
        await connection.execute(
            "delete from events where position = any($1::bigint[])", [event.position for event in events]
        )
        await connection.execute("alter table events enable trigger events_are_immutable")
        await connection.copy_records_to_table("events", records=map(astuple, events), columns=columns)
    except (asyncpg.InsufficientPrivilegeError, asyncpg.UniqueViolationError) as error:
        raise CannotRestore(f"the events cannot be written again: {error}") from error


async def restore_outcomes(connection: Connection, command_ids: Sequence[UUID]) -> None:
    """Computes these outcomes again, oldest first, from their events and the outcome before each.

    What was asked, its digest, and the code and message of a refusal without an event stay as they are. Call
    it in a transaction.
    """
    for row in await connection.fetch(_MADE, command_ids):
        status, code, message = _ended(row)
        await connection.execute(
            _UPDATE,
            row["command_id"],
            status,
            code,
            message,
            row["many"],
            row["last"],
            row["version"],
            row["recorded_at"],
            row["correlation_id"],
            row["caused"],
            row["causation_position"],
        )


def _ended(row: asyncpg.Record) -> tuple[Status, str | None, str | None]:
    """How a command ended, by what it left: its events, the event for its reactor, or only a code."""
    if row["own"] or (row["refused"] is None and row["code"] is None):
        return Status.APPLIED, None, None
    if row["refused"] == "FAILED":
        return Status.FAILED, row["code"] or "FAILED", row["told"] or ""
    code = row["refused"] or row["code"]
    status = Status.FAILED if row["refused"] is None and code in _FAILURES else Status.REJECTED
    return status, code, row["told"] or row["message"] or ""
