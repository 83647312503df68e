"""Commands onto the COMMANDS stream; those that come at once share a batch and its one sync."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from commander.domain.errors import CommanderError
from eventstore.records import SubmittedCommand
from streaming.batches import MAX_MESSAGES, chunks, publish
from streaming.bulk import OutMessage
from streaming.connection import Nats
from streaming.streams import command_subject, partition_of

_encoder = msgspec.json.Encoder()


class Overloaded(CommanderError):
    """More commands wait to be stored than this process holds; try again later."""


@dataclass
class _Waiting:
    message: OutMessage
    stored: asyncio.Future[None] = field(default_factory=asyncio.Future)


class Submitter:
    """Submits commands, in the order given. max_waiting bounds the memory while NATS is slow."""

    def __init__(self, nats: Nats, partitions: int, *, max_waiting: int = 10_000) -> None:
        self._nats = nats
        self._partitions = partitions
        self._max_waiting = max_waiting
        self._waiting: list[_Waiting] = []
        self._flushing: asyncio.Task[None] | None = None

    async def submit(self, command: SubmittedCommand) -> None:
        """Returns once JetStream has the command on disk.

        Raises Unavailable (at once while NATS is away; after a timeout it is not known whether the command
        was stored: submit it again with the same id) and Overloaded.
        """
        self._nats.must_be_connected()
        if len(self._waiting) >= self._max_waiting:
            raise Overloaded(f"{self._max_waiting} commands are waiting to be stored")
        subject = command_subject(partition_of(command.stream, self._partitions), command.command_id)
        waiting = _Waiting(OutMessage(subject, _encoder.encode(command), {}))
        self._waiting.append(waiting)
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())
        await waiting.stored

    async def _flush(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MAX_MESSAGES], self._waiting[MAX_MESSAGES:]
            for chunk in chunks([w.message for w in batch]):
                waiting, batch = batch[: len(chunk)], batch[len(chunk) :]
                try:
                    _settle(waiting, await publish(self._nats, chunk))
                except Exception as error:
                    _settle(waiting, [error] * len(waiting))


def _settle(waiting: list[_Waiting], stored: Sequence[int | Exception]) -> None:
    for one, result in zip(waiting, stored, strict=True):
        if one.stored.done():
            continue  # whoever waited has gone
        if isinstance(result, Exception):
            one.stored.set_exception(result)
        else:
            one.stored.set_result(None)
