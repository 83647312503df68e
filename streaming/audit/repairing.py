"""What `commander repair` does. It takes the lock of the part that writes the same, so that part must stop.

Repairs of the log come before those of what is made from the log: the order is that of Mend. An event is
taken from its message only if that fits the outcome of its command. If the message is the same as the event,
it is the outcome that is damaged, and that is computed again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from commander.domain import Domain, ProjectionFailed, UndecodableEvent
from commander.domain.errors import CommanderError
from commander.eventstore.audit.findings import Finding, Mend
from commander.eventstore.audit.refolding import recount_names, refold_table
from commander.eventstore.audit.resetting import (
    drop_these_snapshots,
    reset_effect,
    reset_reactor,
)
from commander.eventstore.audit.restoring import fits, restore_events, restore_outcomes
from commander.eventstore.audit.tables import table_named
from commander.eventstore.database import Connection, Database, reaching_postgres
from commander.eventstore.locks import Lock, held_keys, lock_key, try_lock
from commander.eventstore.log.checkpoints import settled_partitions
from commander.eventstore.log.indexes import drop_index
from commander.eventstore.log.outcomes import known_outcomes
from commander.eventstore.log.ranges import read_log
from commander.eventstore.projections.rows import Unwritable
from commander.eventstore.reactions.reactors import reactor_checkpoints
from commander.eventstore.records import RecordedEvent
from commander.streaming.audit.mirror import event_in_mirror
from commander.streaming.audit.schedules import awaited, orphans, undecided
from commander.streaming.clocks import ClockWatch
from commander.streaming.commands.pending_by_id import unschedule
from commander.streaming.commands.sending_again import send_again
from commander.streaming.commands.submitting import Submitter
from commander.streaming.log.remaking import remake_mirror
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.stream_settings import lift_limits
from commander.streaming.nats.streams import ensure_streams
from commander.streaming.reactors.reactions import Reacting
from commander.streaming.reactors.replaying import ReplayStopped, replayed
from commander.streaming.restoring.differences import differences
from commander.streaming.restoring.restore import restore

LOG = frozenset({Mend.EVENT, Mend.OUTCOME, Mend.RESTORE})
"""Repairs of the log. What is made from the log is to be looked at again after them."""


class PartRuns(CommanderError):
    """A part that writes what is to be repaired runs. Stop it, and repair again."""


class NotRepaired(CommanderError):
    """A repair is not possible. The message says why, and what is lost."""


@dataclass(frozen=True)
class System:
    """What is repaired. replicas: of the streams that are made again."""

    domain: Domain
    database: Database
    nats: Nats
    replicas: int = 1


def repairs_of(found: Sequence[Finding]) -> dict[Mend, list[str]]:
    """What is to be done about these findings: the subjects of each repair, in the order of Mend."""
    wanted = {one.repair for one in found if one.repair is not None}
    subjects = {mend: sorted(one.subject for one in wanted if one.mend is mend) for mend in Mend}
    return {mend: names for mend, names in subjects.items() if names}


async def repair(system: System, mend: Mend, subjects: Sequence[str]) -> list[str]:
    """Does one kind of repair. Returns what could not be done, and why. Raises PartRuns and Unavailable."""
    match mend:
        case Mend.EVENT:
            return await _mend_events(system, [int(position) for position in subjects])
        case Mend.OUTCOME:
            await _mend_outcomes(system, [UUID(command_id) for command_id in subjects])
        case Mend.RESTORE:
            await _restore(system)
        case Mend.MIRROR_LIMITS:
            await lift_limits(system.nats)
            await ensure_streams(system.nats, system.replicas)
        case Mend.MIRROR:
            await _remake_mirror(system)
        case Mend.NAMES:
            await recount_names(system.database)
        case Mend.SNAPSHOT:
            async with _stopped(system.database, Lock.PROCESSORS):
                await drop_these_snapshots(system.database, subjects)
        case Mend.INDEX:
            async with _stopped(system.database, Lock.PROCESSORS) as connection:
                for name in subjects:
                    await drop_index(connection, name)
        case Mend.DEADLINES:
            await _schedule_again(system)
        case Mend.PENDING:
            submitter = Submitter(system.nats, await settled_partitions(system.database))
            await send_again(system.database, submitter)
        case Mend.PROJECTION:
            return await _each(subjects, partial(_mend_table, system))
        case Mend.EFFECT:
            return await _each(subjects, partial(_mend_effect, system))
        case Mend.REACTOR:
            return await _each(subjects, partial(_mend_reactor, system))
    return []


async def _each(subjects: Sequence[str], mend: Callable[[str], Awaitable[None]]) -> list[str]:
    """Mends each of these. Returns why some could not be mended."""
    failed = []
    for subject in subjects:
        try:
            await mend(subject)
        except (NotRepaired, ProjectionFailed, UndecodableEvent, Unwritable, ReplayStopped) as error:
            failed.append(f"{subject}: {error}")
    return failed


@asynccontextmanager
async def _stopped(database: Database, lock: Lock, key: int = 0) -> AsyncIterator[Connection]:
    """A connection with the lock of a part, so none runs and none starts meanwhile. Raises PartRuns."""
    connection = await database.connect("commander repair")
    try:
        if not await try_lock(connection, lock, key):
            raise PartRuns(f"the part that has the lock {lock.name} runs: stop it, and repair again")
        with reaching_postgres(connection):
            yield connection
    finally:
        connection.terminate()


async def restorable(system: System, position: int) -> RecordedEvent | UUID:
    """The event to write at a position, or the command whose outcome is damaged instead.

    Raises NotRepaired: the event is lost.
    """
    in_mirror = await event_in_mirror(system.nats, position)
    if in_mirror is None:
        raise NotRepaired(f"the event at position {position} is lost: the mirror does not have it")
    if [in_mirror] == await read_log(system.database, position - 1, position):
        return in_mirror.command_id
    async with system.database.connection() as connection:
        outcomes = await known_outcomes(connection, [in_mirror.command_id])
    if not fits(system.domain, in_mirror, outcomes):
        problem = "what the mirror has there does not fit the outcome of its command"
        raise NotRepaired(f"the event at position {position} is lost: {problem}")
    return in_mirror


async def _mend_events(system: System, positions: Sequence[int]) -> list[str]:
    events: list[RecordedEvent] = []
    outcomes: list[UUID] = []
    failed = []
    for position in positions:
        try:
            found = await restorable(system, position)
        except NotRepaired as error:
            failed.append(str(error))
        else:
            if isinstance(found, UUID):
                outcomes.append(found)
            else:
                events.append(found)
    async with _stopped(system.database, Lock.PROCESSORS) as connection, connection.transaction():
        await restore_events(connection, events)
        await restore_outcomes(connection, outcomes)
    return failed


async def _mend_outcomes(system: System, command_ids: Sequence[UUID]) -> None:
    async with _stopped(system.database, Lock.PROCESSORS) as connection, connection.transaction():
        await restore_outcomes(connection, command_ids)


async def _remake_mirror(system: System) -> None:
    if await held_keys(system.database, Lock.RELAY):
        raise PartRuns("the part relay runs: stop it, and repair again")
    await remake_mirror(system.database, system.nats, system.replicas)


async def _restore(system: System) -> None:
    """Begins a new epoch if log and streams still differ: repairs of events may have been enough."""
    found = await differences(system.database, system.nats)
    if found.exist:
        await restore(system.database, system.nats, found, system.replicas)


async def _mend_table(system: System, name: str) -> None:
    table = await table_named(system.database, system.domain, name)
    if table is None:
        drop = "commander projections list, and drop it if nobody needs it"
        raise NotRepaired(f"{name} was made by other code: see {drop}")
    async with _stopped(system.database, Lock.PROJECTION, lock_key(name)) as connection:
        if not table.projection.inline:
            await refold_table(connection, system.database, system.domain, table)
            return
        async with _stopped(system.database, Lock.PROCESSORS):
            await refold_table(connection, system.database, system.domain, table)


async def _mend_effect(system: System, name: str) -> None:
    async with _stopped(system.database, Lock.EFFECT, lock_key(name)):
        await reset_effect(system.database, name)


async def _mend_reactor(system: System, name: str) -> None:
    reactor = system.domain.reactors.get(name)
    if reactor is None:
        raise NotRepaired(
            f"the domain {system.domain.name} has no reactor {name}: repair it with its own code"
        )
    async with _stopped(system.database, Lock.REACTORS, lock_key(name)) as connection:
        async with connection.transaction():
            await reset_reactor(connection, name, keyed=reactor.key is not None)
        if reactor.key is None:
            return
        partitions = await settled_partitions(system.database)
        checkpoints = await reactor_checkpoints(connection, name, range(partitions))
        reacting = Reacting(system.domain, system.database, reactor, partitions, system.nats.clock)
        async for _ in replayed(connection, system.database, reacting, checkpoints):
            pass
    await _schedule_again(system)


async def _schedule_again(system: System) -> None:
    """Submits what states and ticks wait for and has no outcome, and takes back what no state has."""
    await ClockWatch(system.nats, system.database).measure()  # not this process's clock says what is due
    submitter = Submitter(system.nats, await settled_partitions(system.database))
    async for page in awaited(system.database):
        lost = await undecided(system.database, page)
        await asyncio.gather(*(submitter.submit(one.command) for one in lost))
    cancelled = [command async for command in orphans(system.nats, system.database)]
    await unschedule(system.nats, cancelled)
