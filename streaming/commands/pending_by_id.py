"""Pending commands in the COMMANDS stream: find one by its id, cancel scheduled ones, wait for all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError

from commander.domain.errors import CommanderError
from commander.eventstore.database import Database
from commander.eventstore.log.checkpoints import partition_progress, settled_partitions
from commander.eventstore.log.pending import remembered
from commander.eventstore.records import SubmittedCommand
from commander.streaming.commands.messages import (
    command_subject,
    commands_in,
    many_subject,
    scheduled_subject,
)
from commander.streaming.nats.chunks import OutMessage
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.direct_get import next_messages
from commander.streaming.nats.streams import partition_of, queue_depth

_AT_ONCE = 100
_STORED_WITHIN = timedelta(seconds=15)
"""How long after its id was made a command is stored at the latest; a publish ends after 5 seconds."""
_CLOCKS_DIFFER = timedelta(seconds=2)
"""By how much the clock of NATS, as a process knows it, may be ahead of what it is."""
_PAGE = 500
_PAGE_BYTES = 8 * 1024 * 1024
_TIMEOUT_SECONDS = 5.0
_encoder = msgspec.json.Encoder()


class StillPending(CommanderError):
    """Commands were not decided in time. Check that a processor runs, and try again."""


async def pending_command(nats: Nats, database: Database, command_id: UUID) -> SubmittedCommand | None:
    """The first pending command with this id; None if there is none. It may have been decided a moment ago.

    It does not read the whole queue. A command in a message of several has an id that a process has made: one
    of version 7 tells when, and a reactor's or a tick's command, of version 5, is in Postgres too.
    """
    alone = await pending_alone(nats, command_id)
    if alone is not None:
        return alone
    if command_id.version == 7:
        made = datetime.fromtimestamp((command_id.int >> 80) / 1000, UTC)
        return await _pending_since(nats, command_id, made)
    return await remembered(database, command_id) if command_id.version == 5 else None


async def pending_alone(nats: Nats, command_id: UUID) -> SubmittedCommand | None:
    """As pending_command, but only for commands that are alone in their message, as those with a client's id.

    If several have the id and one partition, the first is the one that is decided.
    """
    # In this order: a command that becomes due meanwhile is queued before its schedule is removed.
    scheduled = await _first(nats, scheduled_subject(nats.names, command_id, "*"), 1)
    queued = await _first(nats, command_subject(nats.names, "*", command_id), 1)
    messages = [message for message in (scheduled, queued) if message is not None]
    first = min(messages, key=lambda message: message.seq or 0, default=None)
    return None if first is None else _found(first.subject or "", first.data or b"", command_id)


async def _pending_since(nats: Nats, command_id: UUID, made: datetime) -> SubmittedCommand | None:
    """The command in a message of several that was stored about when its id was made."""
    many, last = many_subject(nats.names), made + _STORED_WITHIN
    sequence = await _first_sequence_since(nats, made - _CLOCKS_DIFFER)
    oldest = await _first(nats, many, sequence)
    if oldest is None or _time_of(oldest) > last:
        return None
    while True:  # fast, but a replica may lag
        found = await next_messages(nats, nats.names.commands, many, sequence, _PAGE, _PAGE_BYTES)
        for message in found.messages:
            if command := _found(message.subject, message.data, command_id):
                return command
            sequence = message.sequence + 1
        if not found.messages or datetime.fromisoformat(found.messages[-1].headers["Nats-Time-Stamp"]) > last:
            break
    while (newer := await _first(nats, many, sequence)) is not None and _time_of(newer) <= last:
        if command := _found(newer.subject or "", newer.data or b"", command_id):
            return command
        sequence = (newer.seq or 0) + 1
    return None


async def _first_sequence_since(nats: Nats, time: datetime) -> int:
    """The sequence from which on the messages of several commands were stored at this time or later."""
    depth = await queue_depth(nats)
    low, high = depth.first_sequence, depth.last_sequence + 1
    while low < high:
        middle = (low + high) // 2
        message = await _first(nats, many_subject(nats.names), middle)
        if message is None or _time_of(message) >= time:
            high = middle
        else:
            low = (message.seq or 0) + 1
    return low


def _time_of(message: RawStreamMsg) -> datetime:
    """When it was stored, by the clock of NATS."""
    assert message.time is not None, "the server always sends it"
    return message.time


async def _first(nats: Nats, subject: str, sequence: int) -> RawStreamMsg | None:
    """The first message of the subject from a sequence on."""
    async with nats.answering():
        try:
            return await nats.jetstream.get_msg(nats.names.commands, seq=sequence, subject=subject, next=True)
        except NotFoundError:
            return None


def _found(subject: str, data: bytes, command_id: UUID) -> SubmittedCommand | None:
    if str(command_id).encode() not in data:
        return None
    try:
        commands = commands_in(subject, data)
    except msgspec.DecodeError:
        return None
    return next((command for command in commands if command.command_id == command_id), None)


async def unschedule(nats: Nats, commands: Iterable[SubmittedCommand]) -> None:
    """Cancels scheduled commands. A command that is already queued, or is unknown, is ignored."""
    subject = f"$JS.API.STREAM.PURGE.{nats.names.commands}"
    # Full subjects: with a '*' the server would scan all schedules.
    filters = [
        {"filter": scheduled_subject(nats.names, one.command_id, one.correlation_id)} for one in commands
    ]
    requests = [OutMessage(subject, _encoder.encode(one), {}) for one in filters]
    for begin in range(0, len(requests), _AT_ONCE):
        async with nats.answering():
            await nats.client.request_many(requests[begin : begin + _AT_ONCE], _TIMEOUT_SECONDS)


async def until_decided(nats: Nats, database: Database, timeout_seconds: float) -> None:
    """Returns when every command that was queued at the call has an outcome. Scheduled ones do not count.

    Raises StillPending after the timeout, and Unavailable.
    """
    async with nats.answering():
        try:
            info = await nats.jetstream.stream_info(nats.names.commands)
        except NotFoundError:
            return
    count = await settled_partitions(database)
    waiting = list(range(count))
    deadline = asyncio.get_running_loop().time() + timeout_seconds
    while True:
        async with database.connection() as connection:
            progress = await partition_progress(connection, waiting)
        decided = {partition: one.in_stream(info.created) for partition, one in progress.items()}
        waiting = [p for p in waiting if await _holds_more(nats, p, count, decided[p], info.state.last_seq)]
        if not waiting:
            return
        if asyncio.get_running_loop().time() > deadline:
            names = ", ".join(map(str, waiting))
            raise StillPending(
                f"after {timeout_seconds:g} s commands are still queued in the partitions {names}: "
                "check that a processor runs"
            )
        await asyncio.sleep(0.1)


async def _holds_more(nats: Nats, partition: int, partitions: int, after: int, up_to: int) -> bool:
    """Whether the stream has a command of this partition at a sequence s with after < s <= up_to."""
    if after >= up_to:
        return False
    alone = await _first(nats, command_subject(nats.names, partition, "*"), after + 1)
    if alone is not None and (alone.seq or 0) <= up_to:
        return True
    many = many_subject(nats.names)
    while (message := await _first(nats, many, after + 1)) is not None and (message.seq or 0) <= up_to:
        commands = commands_in(message.subject or "", message.data or b"")
        if any(partition_of(command.stream, partitions) == partition for command in commands):
            return True
        after = message.seq or 0
    return False
