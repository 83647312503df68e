"""Commands that may have crashed their processor: decided in slices, each attempt stored before it begins.

A processor marks its partitions as running. If a new owner finds the mark of another run, that run has
crashed. The cause may be one of the next commands of these partitions: as many as can be in progress and not
committed. A command that ends its processor is found in its third attempt:

    in a batch, not stored ─► in a slice, with others ─► alone ─► failed: no attempt is left

A slice is decided and committed by itself. An attempt at each of its commands is stored before. So without a
second crash a slice costs one more transaction, and after one only its commands are decided alone.

An inline projection can also be the cause, because it folds the events of a batch in its transaction. So a
command is alone without them: they leave inline mode, and their projectors fold its events.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from math import ceil, sqrt
from typing import NamedTuple
from uuid import UUID

from commander.eventstore.database import Connection
from commander.eventstore.log.outcomes import known_outcomes
from commander.eventstore.log.quarantine import Run, attempts_at, replace_attempts
from commander.streaming.commands.partition_reader import PartitionReader, Received

logger = logging.getLogger("commander.processor")

MAX_ATTEMPTS = 3
"""The attempts at a command. The first is in a batch and is not stored."""


class Slice(NamedTuple):
    """Commands that are decided together. quarantined: those without an outcome.

    attempts: how many are stored at the only one of them; 0 if there may be several.
    """

    received: Received
    quarantined: Sequence[UUID]
    attempts: int

    @property
    def is_exhausted(self) -> bool:
        """Whether no attempt is left."""
        return self.attempts >= MAX_ATTEMPTS - 1


async def possible_causes(
    connection: Connection, reader: PartitionReader, in_progress: int
) -> list[Received]:
    """The first commands after the progress, which may have crashed the owner: one item for each message.

    in_progress: how many commands can have been in progress after the last one with an outcome. Before that
    one, commands can have waited for long streams (see long_loads.py), and such a stream can be the cause.
    """
    found: list[Received] = []
    open_ = 0
    while open_ < in_progress and (received := await reader.first(in_progress)):
        found += received
        commands = [command.command_id for one in received for command in one.commands]
        known = await known_outcomes(connection, commands)
        for command_id in commands:
            open_ = 0 if command_id in known else open_ + 1
    return found


async def decide_quarantined(
    connection: Connection,
    waiting: Sequence[Received],
    run: Run,
    decide: Callable[[Slice], Awaitable[None]],
) -> None:
    """Decides these commands in slices, in order.

    waiting: the first commands of partitions whose owner crashed, one item for each message.
    decide: decides and commits a slice. If it raises, the process lives: the attempts are to be forgotten.
    """
    ids = {command.command_id for received in waiting for command in received.commands}
    quarantined = ids - (await known_outcomes(connection, list(ids))).keys()
    if not quarantined:
        return
    slices = slices_of(waiting, quarantined, await attempts_at(connection, quarantined))
    logger.warning("commands that may be the cause: %d, decided in slices: %d", len(quarantined), len(slices))
    decided: Sequence[UUID] = ()
    for slice_ in slices:
        attempted = () if slice_.is_exhausted else slice_.quarantined
        run.survived.update(decided, attempted)
        await replace_attempts(connection, decided, attempted)
        await decide(slice_)
        decided = slice_.quarantined
    await replace_attempts(connection, decided, ())
    run.survived.clear()


def slices_of(
    waiting: Sequence[Received], quarantined: Collection[UUID], attempts: Mapping[UUID, int]
) -> list[Slice]:
    """The slices, in order. A command with a stored attempt is alone; of the n others, 2√n are together.

    A command that waits twice is quarantined where it waits first.
    """
    queue = [(command, one.progress) for one in waiting for command in one.commands]
    size = ceil(2 * sqrt(len(quarantined)))
    left = set(quarantined)
    begins: list[int] = []
    found: list[list[UUID]] = []
    tried: list[int] = []
    for n, (command, _) in enumerate(queue):
        new = [command.command_id] if command.command_id in left else []
        left.difference_update(new)
        attempted = attempts.get(command.command_id, 0) if new else 0
        if not begins or attempted or tried[-1] or len(found[-1]) + len(new) > size:
            begins.append(n)
            found.append([])
            tried.append(attempted)
        found[-1] += new
    slices = []
    for begin, end, ids, attempted in zip(begins, [*begins[1:], len(queue)], found, tried, strict=True):
        commands = [command for command, _ in queue[begin:end]]
        progress = waiting[-1].progress
        if end < len(queue):  # the next slice may begin within a message that has commands of this one
            progress = progress._replace(sequence=queue[end][1].sequence - 1)
        slices.append(Slice(Received(commands, progress), ids, attempted))
    return slices
