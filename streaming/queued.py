"""Commands that are queued: in the COMMANDS stream, found by their id, or waited for."""

from __future__ import annotations

import asyncio
from uuid import UUID

import msgspec
from nats.js.api import StreamInfo
from nats.js.errors import NotFoundError

from commander.domain.errors import CommanderError
from eventstore.checkpoints import partition_progress, settled_partitions
from eventstore.database import Database
from eventstore.records import SubmittedCommand
from streaming.connection import Nats
from streaming.streams import COMMANDS, command_subject

_decoder = msgspec.json.Decoder(SubmittedCommand)


class StillQueued(CommanderError):
    """Commands were not decided in time: see that a processor runs, and try again."""


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


async def until_decided(nats: Nats, database: Database, timeout_seconds: float) -> None:
    """Returns when all commands that were queued when this was called have their outcomes.

    Raises StillQueued when they have not in time: no processor runs, or it has more to do than that.
    """
    async with nats.answering():
        try:
            info = await nats.jetstream.stream_info(COMMANDS)
        except NotFoundError:
            return
    waiting = list(range(await settled_partitions(database)))
    deadline = asyncio.get_running_loop().time() + timeout_seconds
    while waiting := await _undecided(nats, database, waiting, info):
        if asyncio.get_running_loop().time() > deadline:
            partitions = ", ".join(map(str, waiting))
            raise StillQueued(
                f"after {timeout_seconds:g} s there are still commands queued in the partitions {partitions}"
            )
        await asyncio.sleep(0.1)


async def _undecided(nats: Nats, database: Database, partitions: list[int], info: StreamInfo) -> list[int]:
    """Those of these partitions that hold a command that was queued then and is not decided."""
    async with database.connection() as connection:
        progress = await partition_progress(connection, partitions)
    found = []
    for partition in partitions:
        moved = progress[partition]
        decided = moved.sequence if moved.stream_created == info.created else 0
        if decided >= info.state.last_seq:
            continue
        async with nats.answering():
            try:
                message = await nats.jetstream.get_msg(
                    COMMANDS, seq=decided + 1, subject=command_subject(partition, "*"), next=True
                )
            except NotFoundError:
                continue
        if (message.seq or 0) <= info.state.last_seq:
            found.append(partition)
    return found
