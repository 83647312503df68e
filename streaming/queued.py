"""Commands that are queued: in the COMMANDS stream, found by their id."""

from __future__ import annotations

from uuid import UUID

import msgspec
from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError

from eventstore.records import SubmittedCommand
from streaming.connection import Nats
from streaming.messages import MANY, commands_in
from streaming.streams import COMMANDS


async def queued_command(nats: Nats, command_id: UUID) -> SubmittedCommand | None:
    """The first queued command with this id, if there is one: it may have been decided a moment ago."""
    alone = await queued_alone(nats, command_id)
    return alone if alone is not None else await _queued_among_many(nats, command_id)


async def queued_alone(nats: Nats, command_id: UUID) -> SubmittedCommand | None:
    """As queued_command, of those that came alone, as those do whose ids clients have chosen.

    Of several with the id the first is the one that is decided, if all are of one partition.
    """
    message = await _first(nats, f"commands.*.{command_id}", 1)
    return None if message is None else _found(message, command_id)


async def _queued_among_many(nats: Nats, command_id: UUID) -> SubmittedCommand | None:
    sequence = 1
    while (message := await _first(nats, MANY, sequence)) is not None:
        if found := _found(message, command_id):
            return found
        sequence = (message.seq or 0) + 1
    return None


async def _first(nats: Nats, subject: str, sequence: int) -> RawStreamMsg | None:
    """The first message of the subject from a sequence on."""
    async with nats.answering():
        try:
            return await nats.jetstream.get_msg(COMMANDS, seq=sequence, subject=subject, next=True)
        except NotFoundError:
            return None


def _found(message: RawStreamMsg, command_id: UUID) -> SubmittedCommand | None:
    data = message.data or b""
    if str(command_id).encode() not in data:
        return None
    try:
        commands = commands_in(message.subject or "", data)
    except msgspec.DecodeError:
        return None
    return next((command for command in commands if command.command_id == command_id), None)
