"""Reads the undecided commands of a processor's partitions, in order.

A message may have commands of several partitions; each owner takes its own. After a takeover some messages
are read again. The partition's progress in Postgres tells which of them to skip.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple

import msgspec

from commander.eventstore.batches import BATCH_BYTES
from commander.eventstore.database import Database
from commander.eventstore.log.checkpoints import least_sequence
from commander.eventstore.records import Progress, SubmittedCommand
from commander.streaming.commands.messages import (
    MAX_TOGETHER,
    command_subject,
    commands_in,
    commands_of,
    count_in,
    is_scheduled,
    many_subject,
    partition_in,
    subjects_of,
)
from commander.streaming.nats.chunks import InMessage
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.ordered_consumer import OrderedConsumer
from commander.streaming.nats.streams import claimed

logger = logging.getLogger("commander.processor")

_SILENT_SECONDS = 2.0
_FILTER_BELOW_ONE_OF = 4
"""With less than this part of the partitions, the server filters."""
_MORE = 3
"""How often a batch gets more messages that are here, because many commands of the first had other owners."""
_CAPACITY = 2000
"""The maximum of messages in memory."""


class Received(NamedTuple):
    """Some commands, possibly none, and the progress of the partitions after them.

    stored_since: whether all of them were stored after the reader was opened. Then no other owner has decided
    any of them.
    """

    commands: list[SubmittedCommand]
    progress: Progress
    stored_since: bool = False


class PartitionReader:
    """Reads COMMANDS for the owner of some partitions."""

    def __init__(self, nats: Nats, owned: Sequence[int], partitions: int) -> None:
        self._nats = nats
        self._owned = tuple(owned)
        self._partitions = partitions
        self._decided = dict.fromkeys(owned, 0)
        self._decided_by_some = 0  # the last message that an owned partition has decided
        self._all_are_its_own_after = float("inf")
        self._pull: OrderedConsumer | None = None
        self._stored_before = 0  # the last message in the stream when the reader was opened

    async def open(self, progress: dict[int, Progress]) -> None:
        """Starts after the messages that all owned partitions have decided; in a new stream, at its start.

        Reading too much is harmless: a command with an outcome is not decided again. Raises Unavailable
        and AnotherSystem.
        """
        names = self._nats.names
        async with self._nats.answering():
            info = await claimed(self._nats, names.commands)
        self._stored_before = info.state.last_seq
        self._decided = {partition: one.in_stream(info.created) for partition, one in progress.items()}
        self._decided_by_some = max(self._decided.values())
        if len(self._owned) == self._partitions:
            self._all_are_its_own_after = self._decided_by_some
        subjects, skipped = (
            [],
            "",
        )  # to skip what others own costs less than the server's filter, unless it is most
        if len(self._owned) * _FILTER_BELOW_ONE_OF < self._partitions:
            subjects = [command_subject(names, partition, "*") for partition in self._owned]
            subjects.append(many_subject(names))
        else:
            skipped = subjects_of(names, sorted({*range(self._partitions)}.difference(self._owned)))
        after = min(self._decided.values())
        self._pull = await OrderedConsumer(
            self._nats, names.commands, subjects, after, capacity=_CAPACITY, weigh=count_in, skipped=skipped
        ).__aenter__()

    async def __aenter__(self) -> PartitionReader:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pull is not None:
            await self._pull.__aexit__(kind, error, trace)

    async def next_batch(self, limit: int, timeout_seconds: float) -> Received | None:
        """The next commands, about `limit` and BATCH_BYTES; None if no message arrives within the timeout.

        Raises Unavailable and StreamReplaced.
        """
        assert self._pull is not None, "it was opened"
        messages = await self._pull.next_batch(limit, timeout_seconds)
        if not messages:
            return None
        last, stored_since = messages[-1], messages[0].sequence > self._stored_before
        commands = [command for message in messages for command in self._own(message)]
        for _ in range(_MORE):
            size = sum(len(command.data) for command in commands)
            if limit - len(commands) < MAX_TOGETHER or size >= BATCH_BYTES:
                break
            if not (messages := await self._pull.next_batch(limit - len(commands), 0)):
                break
            last = messages[-1]
            commands += [command for message in messages for command in self._own(message)]
        progress = Progress(self._owned, last.sequence, self._pull.stream_created)
        return Received(commands, progress, stored_since)

    async def first(self, count: int) -> list[Received]:
        """The first commands that wait, at least `count` if there are so many, one item for each message.

        Does not wait for more to arrive. Raises Unavailable and StreamReplaced.
        """
        assert self._pull is not None, "it was opened"
        found: list[Received] = []
        while count > 0 and self._pull.waiting:
            messages = await self._pull.next_batch(count, _SILENT_SECONDS)
            if not messages:  # what was waiting has been purged
                break
            for message in messages:
                progress = Progress(self._owned, message.sequence, self._pull.stream_created)
                found.append(Received(self._own(message), progress))
                count -= len(found[-1].commands)
        return found

    def _own(self, message: InMessage) -> list[SubmittedCommand]:
        """The message's commands of owned partitions that were not decided when the reader was opened."""
        sequence, subject = message.sequence, message.subject
        if is_scheduled(subject):
            return []  # the server publishes it under its partition when it is due
        try:
            if sequence > self._all_are_its_own_after:
                return commands_in(subject, message.data)
            wanted = self._decided if sequence > self._decided_by_some else self._undecided_at(sequence)
            partition = partition_in(subject)
            if partition is None:
                return commands_of(wanted, self._partitions, message.data, message.raw_headers)
            return commands_in(subject, message.data) if partition in wanted else []
        except (msgspec.DecodeError, ValueError) as error:
            stream = self._nats.names.commands
            logger.error("message %d of %s is not a command, skipped: %s", sequence, stream, error)
            return []

    def _undecided_at(self, sequence: int) -> set[int]:
        """The owned partitions whose commands in the message with this sequence are not decided."""
        return {partition for partition, decided in self._decided.items() if decided < sequence}

    async def purge(self, database: Database, decided: int) -> None:
        """Removes decided commands.

        decided: the stored sequence up to which all owned partitions have decided. Raises Unavailable.
        """
        assert self._pull is not None, "it was opened"
        async with database.connection() as connection:
            least = await least_sequence(connection, self._pull.stream_created)
        names = self._nats.names
        ends = {command_subject(names, p, "*"): max(decided, self._decided[p]) for p in self._owned}
        ends[many_subject(names)] = least
        purge = self._nats.jetstream.purge_stream
        async with self._nats.answering():
            await asyncio.gather(
                *(purge(names.commands, seq=end + 1, subject=subject) for subject, end in ends.items() if end)
            )
