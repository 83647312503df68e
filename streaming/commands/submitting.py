"""Submits commands to the COMMANDS stream. Commands that arrive together share a message and its sync."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from commander.domain.errors import CommanderError, Overloaded
from commander.eventstore.log.pending import Keep, Sent
from commander.eventstore.records import SubmittedCommand
from commander.streaming.commands.messages import (
    MAX_TOGETHER,
    MAX_TOGETHER_BYTES,
    encoded,
    is_due,
    message_of,
    message_of_many,
    schedule_of,
)
from commander.streaming.commands.queue_watch import QueueWatch
from commander.streaming.grouping import Groups
from commander.streaming.nats.chunks import OutMessage
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.publishing import MAX_MESSAGES, chunks, publish
from commander.streaming.nats.streams import queue_depth
from commander.streaming.tracing import SpanKind, mark, now_ns

_KNOWN_SECONDS = 1.0
"""How long the time at which COMMANDS was created is believed."""
_AT_ONCE = 64
"""How many groups may wait for the answer of a far NATS."""


@dataclass
class _Waiting:
    command: SubmittedCommand
    data: bytes
    alone: bool
    stored: asyncio.Future[None] = field(default_factory=asyncio.Future)


class Submitter:
    """Submits commands, in the order of the calls. A command that is not due is scheduled.

    partitions: the number of partitions. max_waiting: the maximum of waiting commands; it limits the memory
    while NATS is slow. keep: stores commands in Postgres too; without it, NATS alone has them. now: the
    clock; None for that of NATS, which fires schedules. queue: refuses commands while the queue is too long;
    None: none is refused. submitted: how many commands were stored.
    """

    def __init__(
        self,
        nats: Nats,
        partitions: int,
        *,
        max_waiting: int = 10_000,
        keep: Keep | None = None,
        now: Callable[[], datetime] | None = None,
        queue: QueueWatch | None = None,
    ) -> None:
        self._nats = nats
        self._now = now or nats.clock.now
        self.partitions = partitions
        self._max_waiting = max_waiting
        self._keep = keep
        self._queue = queue
        self._stream: tuple[datetime, float] | None = None  # when it was created, and when that was read
        self._groups = Groups(self._store, largest=MAX_MESSAGES, at_once=_AT_ONCE)
        self.submitted = 0

    @property
    def waiting(self) -> int:
        """How many commands are not stored yet, as far as is known."""
        return len(self._groups)

    def must_accept(self) -> None:
        """Raises what `submit` would raise at once: Overloaded, or Unavailable if a server cannot store."""
        self._nats.must_be_connected()
        self._nats.circuit.must_write()
        if self._keep is not None:
            self._keep.must_write()
        if self._queue is not None:
            self._queue.must_take_another()
        if self.waiting >= self._max_waiting:
            raise Overloaded(f"{self._max_waiting} commands are waiting to be stored; try again later")

    async def stream_created(self) -> datetime:
        """When the stream COMMANDS was created, as of a moment ago. Raises Unavailable.

        Read it before commands are submitted: they are in this stream or in a newer one.
        """
        now = asyncio.get_running_loop().time()
        if self._stream is None or now - self._stream[1] > _KNOWN_SECONDS:
            self._stream = (await queue_depth(self._nats)).created, now
        return self._stream[0]

    async def submit(self, command: SubmittedCommand, *, alone: bool = False) -> None:
        """Returns when JetStream has the command on disk. alone: in a message of its own (messages.py).

        Raises Overloaded, and Unavailable: at once while NATS is unreachable. After a timeout it is unknown
        whether the command was stored; submit it again with the same id.
        """
        self.must_accept()
        # A deadline is not in Postgres, so it must be found by its id, as what is not due.
        alone = alone or command.deadline is not None or not is_due(command, self._now())
        waiting = _Waiting(command, encoded(command), alone)
        self._groups.add(waiting)
        began = now_ns()
        await waiting.stored
        self.submitted += 1
        if self._queue is not None:
            self._queue.stored(len(waiting.data))
        if began:
            mark(f"submit {command.type}", command.traceparent, began, SpanKind.PRODUCER)

    async def submit_all(self, commands: Sequence[SubmittedCommand]) -> Sent | None:
        """Submits commands in this order. Returns them with their stream; None if there are none.

        Raises as `submit`.
        """
        if not commands:
            return None
        sent = Sent(await self.stream_created(), commands)
        await asyncio.gather(*map(self.submit, commands))
        return sent

    async def _store(self, batch: Sequence[_Waiting]) -> None:
        groups = _groups(batch)
        try:
            created = None if self._keep is None else await self.stream_created()
            stored: list[int | CommanderError] = []
            for chunk in chunks([self._message(group) for group in groups]):
                stored += await publish(self._nats, chunk)
            if self._keep is not None and created is not None:
                pairs = zip(groups, stored, strict=True)
                kept = [one.command for group, result in pairs if isinstance(result, int) for one in group]
                await self._keep(Sent(created, kept))
        except Exception as error:
            _settle(batch, error)
        else:
            for group, result in zip(groups, stored, strict=True):
                _settle(group, result)

    def _message(self, group: Sequence[_Waiting]) -> OutMessage:
        if len(group) == 1:
            [one] = group
            form = message_of if is_due(one.command, self._now()) else schedule_of
            return form(self._nats.names, one.command, self.partitions, one.data)
        streams = (waiting.command.stream for waiting in group)
        data = [waiting.data for waiting in group]
        return message_of_many(self._nats.names, data, streams, self.partitions)


def _groups(batch: Iterable[_Waiting]) -> list[list[_Waiting]]:
    """The commands in groups, in order. Each group shares a message."""
    groups: list[list[_Waiting]] = []
    together: list[_Waiting] = []
    size = 0
    for waiting in batch:
        if waiting.alone:
            groups.append([waiting])
            continue
        if not together or len(together) == MAX_TOGETHER or size + len(waiting.data) > MAX_TOGETHER_BYTES:
            together, size = [], 0
            groups.append(together)
        together.append(waiting)
        size += len(waiting.data)
    return groups


def _settle(group: Iterable[_Waiting], result: int | Exception) -> None:
    for waiting in group:
        if waiting.stored.done():
            continue  # the caller was cancelled
        if isinstance(result, Exception):
            waiting.stored.set_exception(result)
        else:
            waiting.stored.set_result(None)
