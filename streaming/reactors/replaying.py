"""Rebuilds a reactor's states from the log. Its commands are not sent again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from commander.domain.errors import CommanderError
from commander.eventstore.batches import BATCH_BYTES, may_be_cut
from commander.eventstore.database import Connection, Database
from commander.eventstore.log.ranges import read_log
from commander.eventstore.reactions.parked import parked_keys, skipped_positions
from commander.eventstore.reactions.reactors import Checkpoint, save_reactor, states_with_deadlines
from commander.streaming.commands.pending_by_id import unschedule
from commander.streaming.nats.connection import Nats
from commander.streaming.reactors.reactions import Parked, Reacting

_BATCH = 500


class ReplayStopped(CommanderError):
    """The domain's code fails on an event during a replay. Fix the code and replay again."""

    def __init__(self, reactor: str, position: int, reason: str) -> None:
        super().__init__(f"the reactor {reactor} failed at position {position}: {reason}")


async def take_back_deadlines(connection: Connection, nats: Nats, name: str) -> int:
    """Cancels the scheduled deadlines of all states, which are about to be rebuilt. Returns how many.

    Those that the rebuilt states have are submitted when the reactor runs again. connection: it holds the
    lock of the reactor. Raises Unavailable.
    """
    count = 0
    async for _, stored in states_with_deadlines(connection, name):
        await unschedule(nats, stored.deadlines)
        count += len(stored.deadlines)
    return count


async def replayed(
    connection: Connection, database: Database, reacting: Reacting, checkpoints: Mapping[int, Checkpoint]
) -> AsyncIterator[int]:
    """Folds the log from `folded` to `position` of these checkpoints. Yields the position after each page.

    connection: it holds the locks of these partitions. Each page is stored, so another process can continue.
    Raises ReplayStopped and Unavailable.
    """
    waiting = await parked_keys(connection, reacting.name, checkpoints)
    skipped = await skipped_positions(connection, reacting.name)
    parked = Parked({one.key: one.handled for one in waiting}, skipped, most=0)
    rebuilding = {partition: at for partition, at in checkpoints.items() if at.is_rebuilding}
    while rebuilding:
        begin = min(at.folded for at in rebuilding.values())
        end = min(begin + _BATCH, *(at.position for at in rebuilding.values()))
        events = await read_log(database, begin, end, _BATCH, max_bytes=BATCH_BYTES)
        if may_be_cut(events, _BATCH):
            end = events[-1].position
        reactions, failed, _ = await reacting.to(connection, events, rebuilding, parked)
        moved = {p: failed[p].position - 1 if p in failed else end for p in rebuilding}
        await save_reactor(connection, reacting.name, moved, reactions.changed)
        yield end
        if failed:
            first = min(failed.values())
            raise ReplayStopped(reacting.name, first.position, first.reason)
        moved_on = {p: at._replace(folded=moved[p]) for p, at in rebuilding.items()}
        rebuilding = {partition: at for partition, at in moved_on.items() if at.is_rebuilding}
