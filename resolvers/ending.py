"""Ending a pending command without deciding it: a client cancels it, or an operator gives it up.

Whoever stores the outcome first wins: the primary key allows only one. If this one is first, the processor
skips the command. If the processor's is first, the append fails.
"""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from commander.domain import Domain
from commander.domain.errors import NotFound
from commander.eventstore.database import Database
from commander.eventstore.log.command_history import stream_version
from commander.eventstore.log.event_log import AppendConflict, append
from commander.eventstore.log.outcomes import events_of_outcome, outcome_of
from commander.eventstore.records import Decision, Status, SubmittedCommand
from commander.eventstore.sharing import refusals
from commander.resolvers.request_context import RequestContext
from commander.resolvers.services import DatabaseService
from commander.streaming.commands.deciding import refusal
from commander.streaming.commands.outcomes import (
    Ended,
    ended_from,
    ended_signals,
    outcome_signals,
    sender_of,
)
from commander.streaming.commands.pending_by_id import pending_command, unschedule
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.signals import log_signals

CANCELLED = "CANCELLED"
GIVEN_UP = "GIVEN_UP"


class EndingServices(DatabaseService, Protocol):
    """The services that ending a command takes."""

    @property
    def domain(self) -> Domain: ...

    @property
    def nats(self) -> Nats: ...


async def cancel(context: RequestContext[EndingServices], command_id: UUID) -> Ended:
    """Cancels a pending command. Returns its outcome: rejected as CANCELLED, or the outcome it already has.

    Raises NotFound, also for a command of another sender, unless an operator asks.
    """
    by = f", by {context.actor}" if context.actor is not None else ""
    message = f"cancelled while it was queued{by}"
    rights, sender = context.rights, None
    if rights is not None and not rights.is_operator:
        sender = rights.viewer.subject
        if sender is None:
            raise _unknown(command_id)
    return await _end(context.services, command_id, Status.REJECTED, CANCELLED, message, sender)


async def give_up(context: RequestContext[EndingServices], command_id: UUID, reason: str) -> Ended:
    """Fails a command that no running code can decide, for an operator. It becomes a dead letter.

    Returns its outcome: failed as GIVEN_UP, or the outcome it already has. Raises NotFound if no partition
    waits before this command.
    """
    services = context.services
    if (ended := await _ended(services.database, command_id)) is not None:
        return ended
    waiting = [r for r in await refusals(services.database) if r.command_id == command_id]
    if not waiting:
        where = "commander processors waiting lists those that do"
        raise NotFound(f"no partition waits before the command {command_id}; {where}")
    message = f"given up by {context.actor}: {reason} ({waiting[-1].needs})"
    return await _end(services, command_id, Status.FAILED, GIVEN_UP, message)


async def _end(
    services: EndingServices,
    command_id: UUID,
    status: Status,
    code: str,
    message: str,
    sender: str | None = None,
) -> Ended:
    """sender: only a command of this sender is ended; None: that of any.

    One of another sender takes the same reads as an unknown id, so that the time does not tell them apart.
    """
    database = services.database
    for _ in range(2):
        ended = await _ended(database, command_id, sender)
        if ended is not None:
            return ended
        queued = await pending_command(services.nats, database, command_id)
        if queued is None or sender not in (None, sender_of(queued)):
            continue  # it may have been decided and purged between the two reads
        rejection = refusal(services.domain, queued, "FAILED" if status is Status.FAILED else code, message)
        version = await stream_version(database, queued.stream)
        decision = Decision(queued, queued.digest, status, version, (), rejection, code, message)
        try:
            async with database.connection() as connection:
                appended = await append(connection, [decision], None)
        except AppendConflict:
            continue
        if queued.not_before is not None:
            await unschedule(services.nats, [queued])
        await services.nats.publish_signals(log_signals(services.nats.names, appended.events))
        await _announce(services, queued)
    ended = await _ended(database, command_id, sender)
    if ended is None:
        raise _unknown(command_id)
    return ended


def _unknown(command_id: UUID) -> NotFound:
    return NotFound(f"there is no command with the id {command_id}")


async def _ended(database: Database, command_id: UUID, sender: str | None = None) -> Ended | None:
    """The outcome of the command, if it has one; of this sender, if one is given."""
    outcome = await outcome_of(database, command_id)
    if outcome is None:
        return None
    by = outcome.read_guards().sender
    if sender is not None and (by is None or by.subject != sender):
        return None
    return ended_from(outcome, await events_of_outcome(database, outcome))


async def _announce(services: EndingServices, command: SubmittedCommand) -> None:
    """Publishes the signals that the processor publishes for an outcome."""
    ended = await _ended(services.database, command.command_id)
    messages = ended_signals(services.nats.names, [command.command_id])
    if ended is not None and command.reply is not None:
        messages += outcome_signals(command.reply, [ended])
    await services.nats.publish_signals(messages)
