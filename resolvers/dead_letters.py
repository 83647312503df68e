"""Dead letters: failed commands. Each can be retried as a new command, or dropped, once.

A failed command keeps its outcome. A retry submits the same request again, also with its expected version.
The new id is derived from the old id, so two retries submit the same command.
"""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from commander.domain.errors import InvalidRequest, NotFound
from commander.eventstore.database import Database
from commander.eventstore.log.command_history import (
    DeadLetterAction,
    begin_retry,
    dead_letter_action,
    has_unfinished_retry,
    list_dead_letters,
    record_dead_letter_action,
    retry_ended_early,
    retry_submitted,
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

    The retry is recorded before its submission, so that nobody can drop the dead letter from then on, and
    again after it. No transaction is open meanwhile: NATS may take long. If anything fails in between, the
    dead letter stays in the list. Retry it again (if the process ended, a minute later): the new id is the
    same, so the command is decided once.
    """
    services = context.services
    failed = await _open_dead_letter(services.database, command_id)
    with span("retry dead letter", context.traceparent, SpanKind.SERVER) as traceparent:
        again = retried(failed, datetime.now(UTC), reply, traceparent)
        services.submitter.must_accept()
        async with services.database.connection() as connection:
            if not await begin_retry(connection, command_id, again.command_id, context.actor):
                raise _late(command_id)
        try:
            await services.submitter.submit(again, alone=True)
        except BaseException:
            async with services.database.connection() as connection:
                await retry_ended_early(connection, command_id)
            raise
        async with services.database.connection() as connection:
            await retry_submitted(connection, command_id)
    return again


async def drop(context: RequestContext[DatabaseService], command_id: UUID) -> Outcome:
    """Removes a dead letter from the list. Returns its outcome.

    Raises NotFound if there is no such dead letter, and InvalidRequest if a retry ended early: its command
    may be stored.
    """
    database = context.services.database
    dropped = await _open_dead_letter(database, command_id)
    async with database.connection() as connection:
        if await record_dead_letter_action(connection, command_id, "DROPPED", None, context.actor):
            return dropped
    if await has_unfinished_retry(database, command_id):
        problem = (
            f"{command_id} cannot be dropped: the command of its last retry may be stored; retry it again"
        )
        raise InvalidRequest("commandId", problem)
    raise _late(command_id)


async def action_on(database: Database, command_id: UUID) -> DeadLetterAction | None:
    """The retry or drop of a dead letter: who did it, and when. None if there was none."""
    return await dead_letter_action(database, command_id)


def _late(command_id: UUID) -> NotFound:
    return NotFound(f"somebody else retried or dropped the dead letter {command_id} just now")


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
