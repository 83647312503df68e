"""Cancelling a pending command: queued, or scheduled."""

from __future__ import annotations

from uuid import UUID

from commander.domain.errors import NotFound
from commander.eventstore.log.command_history import stream_version
from commander.eventstore.log.event_log import AppendConflict, append
from commander.eventstore.records import Decision, Status, SubmittedCommand
from commander.resolvers.services import Services
from commander.streaming.commands.deciding import refusal
from commander.streaming.commands.outcomes import Ended, ended_signals, outcome_signals
from commander.streaming.commands.pending_by_id import pending_command, unschedule
from commander.streaming.nats.signals import log_signals

CANCELLED = "CANCELLED"


async def cancel(services: Services, command_id: UUID, actor: str | None = None) -> Ended:
    """Cancels a pending command. Returns its outcome: rejected as CANCELLED, or the outcome it already has.

    Raises NotFound.

    This function stores the outcome itself. The primary key allows only one outcome. If this one is first,
    the processor skips the command. If the processor's is first, the append fails.
    """
    message = "cancelled while it was queued" + (f", by {actor}" if actor is not None else "")
    for _ in range(2):
        ended = await services.outcomes.look_up(command_id)
        if ended is not None:
            return ended
        queued = await pending_command(services.nats, command_id)
        if queued is None:
            continue  # it may have been decided and purged between the two reads
        decision = Decision(
            queued,
            queued.digest,
            Status.REJECTED,
            await stream_version(services.database, queued.stream),
            rejection=refusal(services.domain, queued, CANCELLED, message),
            code=CANCELLED,
            message=message,
        )
        try:
            async with services.database.connection() as connection:
                appended = await append(connection, [decision], None)
        except AppendConflict:
            continue
        if queued.not_before is not None:
            await unschedule(services.nats, [queued])
        await services.nats.publish_signals(log_signals(services.nats.names, appended.events))
        await _announce(services, queued)
    ended = await services.outcomes.look_up(command_id)
    if ended is None:
        raise NotFound(f"there is no command with the id {command_id}")
    return ended


async def _announce(services: Services, cancelled: SubmittedCommand) -> None:
    """Publishes the signals that the processor publishes for an outcome."""
    ended = await services.outcomes.look_up(cancelled.command_id)
    messages = ended_signals(services.nats.names, [cancelled.command_id])
    if ended is not None and cancelled.reply is not None:
        messages += outcome_signals(cancelled.reply, [ended])
    await services.nats.publish_signals(messages)
