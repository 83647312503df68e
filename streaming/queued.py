"""Commands that are queued: in the COMMANDS stream, found by their id."""

from __future__ import annotations

from uuid import UUID

import msgspec
from nats.js.errors import NotFoundError

from eventstore.records import SubmittedCommand
from streaming.connection import Nats
from streaming.streams import COMMANDS

_decoder = msgspec.json.Decoder(SubmittedCommand)


async def queued_command(nats: Nats, command_id: UUID) -> SubmittedCommand | None:
    """The first message with this id, if the stream holds one: it may have been decided a moment ago.

    Of several with the id the first is the one that is decided, if all are of one partition.
    """
    async with nats.answering():
        try:
            message = await nats.jetstream.get_msg(
                COMMANDS, seq=1, subject=f"commands.*.{command_id}", next=True
            )
        except NotFoundError:
            return None
    try:
        return _decoder.decode(message.data or b"")
    except msgspec.DecodeError:
        return None
