"""The pending commands of a correlation: scheduled, or queued and not decided.

    submitted ─► scheduled ─► queued ─► decided: in Postgres
         └───────────────────────┘

A command is stored at its next place before it leaves the last one. The server queues a due command and then
removes the schedule. The outcome commits not later than the progress, after which the queue is read. So a
search in the order of the arrows, with Postgres last, finds every command: one that has left a place is at a
place that is searched later. A command that is found twice is at the later place. (With several replicas, one
may lag for a moment.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec

from commander.eventstore.database import Database
from commander.eventstore.log.checkpoints import all_progress
from commander.eventstore.records import SubmittedCommand
from commander.streaming.commands.messages import (
    commands_in,
    correlations_in,
    queued_subject,
    scheduled_together,
)
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.direct_get import TooManyMessages, last_messages, next_messages
from commander.streaming.nats.ordered_consumer import InMessage
from commander.streaming.nats.streams import queue_depth

MAX_MESSAGES = 2000
"""The maximum of messages that are scanned in the queue, each with up to a hundred commands."""
MAX_BYTES = 32 * 1024 * 1024
MAX_SCHEDULED = 1000
"""The maximum of schedules that are read of a correlation with more than the server returns at once."""
_MESSAGES_AT_ONCE = 500
_BYTES_AT_ONCE = 8 * 1024 * 1024
_CORRELATIONS_AT_ONCE = 250


class PendingCommands(NamedTuple):
    """Pending commands, each once: the queued ones in their order, then the scheduled ones by time.

    Some may have been decided a moment ago; a later query in Postgres shows it.
    whole: False if there were more messages than are read.
    """

    commands: Sequence[SubmittedCommand]
    whole: bool


async def pending_by_correlation(
    nats: Nats, database: Database, correlation_ids: Collection[UUID]
) -> PendingCommands:
    """The scheduled and queued commands of these correlations. Raises Unavailable."""
    (scheduled, all_schedules), decided = await asyncio.gather(
        _scheduled(nats, list(correlation_ids)), _decided(nats, database)
    )
    queued, all_queued = await _queued(nats, set(correlation_ids), decided)
    found: dict[UUID, SubmittedCommand] = {}
    for command in (*queued, *sorted(scheduled, key=lambda one: one.not_before or one.submitted_at)):
        found.setdefault(command.command_id, command)
    return PendingCommands(tuple(found.values()), all_schedules and all_queued)


async def _scheduled(nats: Nats, correlation_ids: Sequence[UUID]) -> PendingCommands:
    if len(correlation_ids) <= _CORRELATIONS_AT_ONCE:
        try:
            subjects = [scheduled_together(nats.names, one) for one in correlation_ids]
            messages = await last_messages(nats, nats.names.commands, subjects) if subjects else []
            return PendingCommands([command for message in messages for command in _commands(message)], True)
        except TooManyMessages:
            if len(correlation_ids) == 1:
                return await _first_scheduled(nats, correlation_ids[0])
    half = len(correlation_ids) // 2
    first = await _scheduled(nats, correlation_ids[:half])
    second = await _scheduled(nats, correlation_ids[half:])
    return PendingCommands([*first.commands, *second.commands], first.whole and second.whole)


async def _first_scheduled(nats: Nats, correlation_id: UUID) -> PendingCommands:
    subject = scheduled_together(nats.names, correlation_id)
    found = await next_messages(nats, nats.names.commands, subject, 1, MAX_SCHEDULED, _BYTES_AT_ONCE)
    return PendingCommands([c for message in found.messages for c in _commands(message)], not found.left)


async def _decided(nats: Nats, database: Database) -> int:
    """The sequence up to which every command in the queue is decided."""
    depth, progress = await asyncio.gather(queue_depth(nats), all_progress(database))
    return min((one.in_stream(depth.created) for one in progress), default=0)


async def _queued(nats: Nats, correlation_ids: Collection[UUID], decided: int) -> PendingCommands:
    wanted = {str(correlation_id).encode() for correlation_id in correlation_ids}
    commands: list[SubmittedCommand] = []
    stream, subject = nats.names.commands, queued_subject(nats.names)
    last, count, size = decided, 0, 0
    while count < MAX_MESSAGES and size < MAX_BYTES:
        at_once = min(_MESSAGES_AT_ONCE, MAX_MESSAGES - count)
        found = await next_messages(nats, stream, subject, last + 1, at_once, _BYTES_AT_ONCE)
        for message in found.messages:
            if not wanted.isdisjoint(correlations_in(message.data)):
                commands += [c for c in _commands(message) if c.correlation_id in correlation_ids]
        if not found.left or not found.messages:
            return PendingCommands(commands, True)
        last = found.messages[-1].sequence
        count += len(found.messages)
        size += sum(len(message.data) for message in found.messages)
    return PendingCommands(commands, False)


def _commands(message: InMessage) -> list[SubmittedCommand]:
    """The commands of a message; none if it cannot be decoded, which the processor logs."""
    try:
        return commands_in(message.subject, message.data)
    except msgspec.DecodeError:
        return []
