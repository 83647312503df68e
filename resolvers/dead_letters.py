"""Dead letters: failed commands. Each can be retried as a new command, or dropped, once.

A failed command keeps its outcome. A retry submits the same request again, also with its expected version.
The new id is derived from the old id, so two retries submit the same command.
"""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from commander.domain.errors import InvalidRequest, NotFound
from commander.eventstore.database import Connection, Database
from commander.eventstore.log.command_history import (
    DeadLetterAction,
    dead_letter_action,
    list_dead_letters,
    record_dead_letter_action,
)
from commander.eventstore.log.outcomes import outcome_of
from commander.eventstore.records import Outcome, Status, SubmittedCommand
from commander.resolvers.request_context import RequestContext
from commander.resolvers.services import DatabaseService, SubmittingService
from commander.streaming.commands.assembling import retried
from commander.streaming.tracing import SpanKind, span

MAX_LISTED = 1000


async def dead_letters(database: Database, first: int) -> list[Outcome]:
    """The oldest failed commands that nobody has retried or dropped. Raises InvalidRequest."""
    if not 0 <= first <= MAX_LISTED:
        raise InvalidRequest("first", f"must be from 0 to {MAX_LISTED}, got {first}")
    return await list_dead_letters(database, first)


async def retry(
    context: RequestContext[SubmittingService], command_id: UUID, reply: str | None = None
) -> SubmittedCommand:
    """Submits a dead letter again. Returns the new command. Raises NotFound if there is no such dead letter.

    The record of the retry is written first and committed after the submission. Until then it blocks other
    actions on the dead letter. If the commit fails, retry again: the new id is the same.
    """
    services = context.services
    failed = await _open_dead_letter(services.database, command_id)
    with span("retry dead letter", context.traceparent, SpanKind.SERVER) as traceparent:
        again = retried(failed, datetime.now(UTC), reply, traceparent)
        async with services.database.connection() as connection, connection.transaction():
            await _record(connection, command_id, "RETRIED", again.command_id, context.actor)
            await services.submitter.submit(again)
    return again


async def drop(context: RequestContext[DatabaseService], command_id: UUID) -> None:
    """Removes a dead letter from the list. Raises NotFound if there is no such dead letter."""
    database = context.services.database
    await _open_dead_letter(database, command_id)
    async with database.connection() as connection:
        await _record(connection, command_id, "DROPPED", None, context.actor)


async def action_on(database: Database, command_id: UUID) -> DeadLetterAction | None:
    """The retry or drop of a dead letter: who did it, and when. None if there was none."""
    return await dead_letter_action(database, command_id)


async def _record(
    connection: Connection, command_id: UUID, action: str, retried_as: UUID | None, actor: str | None
) -> None:
    """Records an action. Of several actions at once the first one wins; the others raise NotFound."""
    if not await record_dead_letter_action(connection, command_id, action, retried_as, actor):
        raise NotFound(f"somebody else retried or dropped the dead letter {command_id} just now")


async def _open_dead_letter(database: Database, command_id: UUID) -> Outcome:
    outcome = await outcome_of(database, command_id)
    if outcome is None or outcome.status != Status.FAILED:
        raise NotFound(f"there is no dead letter {command_id}")
    done = await dead_letter_action(database, command_id)
    if done is not None:
        how = f"as {done.retried_as} " if done.retried_as else ""
        raise NotFound(
            f"the dead letter {command_id} was {done.action.lower()} {how}at {done.at.isoformat()}"
        )
    return outcome
