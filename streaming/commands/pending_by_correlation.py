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
from collections.abc import Collection, Iterable, Sequence
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
from commander.streaming.nats.chunks import InMessage
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.direct_get import Found, TooManyMessages, last_messages, next_messages
from commander.streaming.nats.streams import queue_depth

MAX_MESSAGES = 2000
"""The maximum of messages that are scanned in the queue, each with up to a hundred commands."""
MAX_BYTES = 32 * 1024 * 1024
"""The maximum that is scanned in the queue, and that is read of schedules; a message more can be."""
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
    schedules, decided = await asyncio.gather(
        _scheduled(nats, list(correlation_ids), MAX_BYTES), _decided(nats, database)
    )
    scheduled = [command for message in schedules.messages for command in _commands(message)]
    queued, all_queued = await _queued(nats, set(correlation_ids), decided)
    found: dict[UUID, SubmittedCommand] = {}
    for command in (*queued, *sorted(scheduled, key=lambda one: one.not_before or one.submitted_at)):
        found.setdefault(command.command_id, command)
    return PendingCommands(tuple(found.values()), all_queued and not schedules.left)


async def _scheduled(nats: Nats, correlation_ids: Sequence[UUID], max_bytes: int) -> Found:
    """The schedules of these correlations, about `max_bytes` of them at most."""
    stream = nats.names.commands
    subjects = [scheduled_together(nats.names, one) for one in correlation_ids]
    if not subjects:
        return Found([], 0)
    if len(subjects) <= _CORRELATIONS_AT_ONCE:
        messages: list[InMessage] = []
        try:
            async for page in last_messages(nats, stream, subjects, min(max_bytes, _BYTES_AT_ONCE)):
                messages += page.messages
                if page.left and _size_of(messages) >= max_bytes:
                    return Found(messages, page.left)
        except TooManyMessages:
            if len(subjects) == 1:
                at_once = min(max_bytes, _BYTES_AT_ONCE)
                return await next_messages(nats, stream, subjects[0], 1, MAX_SCHEDULED, at_once)
        else:
            return Found(messages, 0)
    half = len(correlation_ids) // 2
    first = await _scheduled(nats, correlation_ids[:half], max_bytes)
    second = await _scheduled(nats, correlation_ids[half:], max(1, max_bytes - _size_of(first.messages)))
    return Found([*first.messages, *second.messages], first.left + second.left)


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
        size += _size_of(found.messages)
    return PendingCommands(commands, False)


def _size_of(messages: Iterable[InMessage]) -> int:
    """Their data, in bytes."""
    return sum(len(message.data) for message in messages)


def _commands(message: InMessage) -> list[SubmittedCommand]:
    """The commands of a message; none if it cannot be decoded, which the processor logs."""
    try:
        return commands_in(message.subject, message.data)
    except msgspec.DecodeError:
        return []
