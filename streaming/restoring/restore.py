"""Makes Postgres and NATS agree again after one of them was set back, and begins a new epoch of the log.

The log in Postgres is what counts. Its own state is consistent: events, outcomes, progress, checkpoints and
projections are of one transaction or follow from it. So nothing of it changes but the epoch and the progress
of the partitions. EVENTS is made again if it has what the log does not have. Commands that are still in
COMMANDS are decided if they have no outcome. So are the pending commands that Postgres has. Reactions to
events that the log does not have are taken out: their ids derive from positions at which there will be other
events.

Each step can be repeated. If this ends in the middle, the parts still find a difference, and wait.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from nats.js.errors import APIError

from commander.domain.errors import CommanderError
from commander.eventstore.database import Connection, Database
from commander.eventstore.locks import Lock, held_keys, try_lock
from commander.eventstore.log.checkpoints import read_again, settled_partitions
from commander.eventstore.log.epochs import Epoch, begin_epoch
from commander.eventstore.log.identity import identity_of
from commander.streaming.commands.messages import (
    commands_in,
    encoded,
    is_scheduled,
    message_of,
)
from commander.streaming.commands.sending_again import send_again
from commander.streaming.commands.submitting import Submitter
from commander.streaming.log.remaking import empty_mirror
from commander.streaming.nats.chunks import InMessage
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.names import Names
from commander.streaming.nats.publishing import publish
from commander.streaming.nats.streams import ensure_streams
from commander.streaming.restoring.differences import Differences, is_stale, stale_since

_PARTS: Mapping[Lock, str] = {
    Lock.PARTITION: "processor",
    Lock.RELAY: "relay",
    Lock.PROJECTION: "projections",
    Lock.REACTOR: "reactors",
    Lock.EFFECT: "effects",
}


_GONE = (10037, 10043, 10057)
"""NATS' codes for a message that is not there."""


class PartsRun(CommanderError):
    """Parts of the system run. Stop them first."""


class Restored(NamedTuple):
    """sent_again: how many pending commands that Postgres has were put into COMMANDS again."""

    epoch: Epoch
    sent_again: int


async def restore(
    database: Database, nats: Nats, found: Differences, replicas: int, *, epoch: int | None = None
) -> Restored:
    """Begins a new epoch and makes NATS agree with it. found: what was compared just now.

    epoch: its number, greater than all that the stores know; None: the next one.
    Raises PartsRun, AnotherSystem and Unavailable. Call it again after an error.
    """
    connection = await database.connect("commander restore")
    try:
        await _must_be_alone(database, connection)
        begun = Epoch(epoch or found.newest_epoch + 1, found.kept + 1)
        async with connection.transaction():
            await begin_epoch(connection, begun)
            await read_again(connection)
        await _take_out_stale(database, nats, found)
        identity = await identity_of(database)
        assert identity is not None, "its streams were compared"
        nats.use(Names(identity, any_epoch=True))
        if found.mirror_differs:
            await empty_mirror(nats, replicas)
        await ensure_streams(nats, replicas)
        submitter = Submitter(nats, await settled_partitions(database))
        return Restored(begun, await send_again(database, submitter))
    finally:
        connection.terminate()


async def _must_be_alone(database: Database, connection: Connection) -> None:
    """Takes the locks of the parts that write. Raises PartsRun."""
    running = {part for lock, part in _PARTS.items() if await held_keys(database, lock)}
    wanted = [(Lock.RELAY, 0)]
    wanted += [(Lock.PARTITION, partition) for partition in range(await settled_partitions(database))]
    for lock, key in wanted:
        if not await try_lock(connection, lock, key):
            running.add(_PARTS[lock])
    if running:
        raise PartsRun(
            f"these parts still run: {', '.join(sorted(running))}; stop them first (those that find a "
            "difference stop by themselves within ten seconds)"
        )


async def _take_out_stale(database: Database, nats: Nats, found: Differences) -> None:
    """The schedules first: those that have fired meanwhile are then found behind what was compared."""
    await _take_out(database, nats, found.stale, found.shared)
    await _take_out(database, nats, await stale_since(database, nats, found), found.shared)


async def _take_out(database: Database, nats: Nats, messages: Sequence[InMessage], shared: int) -> None:
    for message in messages:
        await _publish_rest(database, nats, message, shared)
        async with nats.answering():
            try:
                await nats.jetstream.delete_msg(nats.names.commands, message.sequence)
            except APIError as error:
                if error.err_code not in _GONE:  # a schedule that has fired meanwhile is gone
                    raise


async def _publish_rest(database: Database, nats: Nats, message: InMessage, shared: int) -> None:
    """Publishes the other commands of a message again, each alone, at the end of the queue."""
    commands = commands_in(message.subject, message.data)
    rest = [command for command in commands if not await is_stale(database, command, shared)]
    if not rest:
        return
    assert not is_scheduled(message.subject), "a schedule has one command"
    partitions = await settled_partitions(database)
    for stored in await publish(
        nats, [message_of(nats.names, command, partitions, encoded(command)) for command in rest]
    ):
        if isinstance(stored, CommanderError):
            raise stored
