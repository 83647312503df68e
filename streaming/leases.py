"""Leases on partitions: each partition has one owner, which is fenced by its database session.

Every process of the group holds a shared lock, which makes it a member, and an exclusive lock for each
partition it owns. All locks belong to the connection that writes. So a process that has lost its session
cannot write any more. A process that is stopped or disconnected loses its session within seconds
(eventstore/presence.py).

Every member computes which one is to own each partition (eventstore/sharing.py). It releases the others and
takes its own once they are free. While processes with different code share, a partition is assigned to one
whose code can go on in it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from types import TracebackType
from typing import Self
from uuid import UUID

from commander.domain import DomainCode
from commander.domain.errors import LeasesLost
from commander.eventstore.database import Connection, Database
from commander.eventstore.locks import Lock, join, leave, lock_key, try_lock, unlock
from commander.eventstore.log.quarantine import (
    Run,
    begin_running,
    end_running,
    forget_survived,
    mark_running,
    release_partitions,
)
from commander.eventstore.sharing import (
    Refusal,
    Sharing,
    forget_refusals,
    forget_refusals_of_other_streams,
    read_sharing,
    register,
    save_refusal,
)

logger = logging.getLogger("commander.leases")

STANDS_BY_SECONDS = 300
"""How long a processor stands by that has contended with others."""


@dataclass(frozen=True)
class LeaseGroup:
    """A group of processes that share partitions.

    name: for example a reactor's. durable: see `Database.connect`.
    """

    application: str
    members: Lock
    partition: Lock
    name: str = ""
    durable: bool = True

    @property
    def key(self) -> int:
        """The key of the shared lock that counts the processes."""
        return lock_key(self.name) if self.name else 0

    def key_of(self, partition: int) -> int:
        """The key of the exclusive lock of a partition."""
        return lock_key(f"{self.name} {partition}") if self.name else partition


DECIDING = LeaseGroup("commander processor", Lock.PROCESSORS, Lock.PARTITION)


def reactor_leases(name: str) -> LeaseGroup:
    """The partitions of a reactor's keys. Its states can be rebuilt, so commits do not wait for the disk."""
    return LeaseGroup(f"commander reactor {name}", Lock.REACTORS, Lock.REACTOR, name, durable=False)


class Leases:
    """The partitions that this process owns, and the connection that holds their locks.

    code: that of this process. waiting: the partitions that no process can go on in, as of the last look.
    """

    def __init__(self, database: Database, partitions: int, shared: LeaseGroup, code: DomainCode) -> None:
        self._database = database
        self._shared = shared
        self._code = code
        self._keys = [shared.key_of(partition) for partition in range(partitions)]
        self._connection: Connection | None = None
        self._pid = 0
        self.owned: list[int] = []
        self.waiting: list[Refusal] = []

    @property
    def connection(self) -> Connection:
        """The connection with the locks. Raises LeasesLost if it is closed."""
        if self._connection is None or self._connection.is_closed():
            raise LeasesLost("Postgres", "the connection that held the partitions is lost")
        return self._connection

    async def __aenter__(self) -> Self:
        shared = self._shared
        connection = await self._database.connect(shared.application, durable=shared.durable)
        self._connection = connection
        try:
            self._pid = await join(connection, shared.members, shared.key)
            await register(connection, shared.application, self._code)
        except BaseException:
            connection.terminate()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._leave(connection)
        self.owned = []

    async def is_balanced(self) -> bool:
        """Whether this process has its share, so that `rebalance` would change nothing. Safe during work."""
        _ = self.connection  # raises LeasesLost
        async with self._database.connection() as connection:
            return set(self.owned) == await self._share(connection)

    async def rebalance(self) -> bool:
        """Releases the partitions that are no longer in its share and takes those of its share that are free.

        Returns whether anything changed.

        Call it only between batches: a partition must not be released with work in progress.
        """
        before = set(self.owned)
        share = await self._share(self.connection)
        await self._release(before - share)
        for partition in sorted(share - before):
            if await try_lock(self.connection, self._shared.partition, self._keys[partition]):
                self.owned.append(partition)
        if taken := set(self.owned) - before:
            await forget_refusals(self.connection, self._shared.application, self._code.fingerprint, taken)
        return before != set(self.owned)

    async def refuse_event(self, partition: int, position: int, needs: str) -> None:
        """Leaves a partition to a process with other code before an event, because this code cannot go on.

        needs: what the code lacks. Call it when no work is in progress.
        """
        await self._refuse(partition, needs, position=position)

    async def _refuse(
        self,
        partition: int,
        needs: str,
        *,
        command_id: UUID | None = None,
        position: int | None = None,
        stream_created: datetime | None = None,
    ) -> None:
        application, fingerprint = self._shared.application, self._code.fingerprint
        name = application.removeprefix("commander ")
        logger.warning("%s leaves partition %d to other code: %s", name, partition, needs)
        await save_refusal(
            self.connection,
            application,
            partition,
            fingerprint,
            needs,
            command_id=command_id,
            position=position,
            stream_created=stream_created,
        )
        await self._release({partition})

    async def _share(self, connection: Connection) -> set[int]:
        """The partitions that this process is to own."""
        sharing = await self._sharing(connection)
        self.waiting = sharing.waiting()
        return {partition for partition, pid in sharing.assigned().items() if pid == self._pid}

    async def _sharing(self, connection: Connection) -> Sharing:
        shared = self._shared
        members = (shared.members, shared.key)
        return await read_sharing(connection, shared.application, members, shared.partition, self._keys)

    async def _release(self, partitions: Collection[int]) -> None:
        if not partitions:
            return
        await self._before_release(sorted(partitions))
        for partition in sorted(partitions):
            await unlock(self.connection, self._shared.partition, self._keys[partition])
        self.owned = [partition for partition in self.owned if partition not in partitions]

    async def _before_release(self, partitions: Sequence[int]) -> None:
        """Called before these partitions are released."""

    async def _leave(self, connection: Connection) -> None:
        """Closes the connection, which releases all partitions."""
        connection.terminate()


class ProcessorLeases(Leases):
    """The leases of a processor.

    It marks its partitions as running and removes the mark of those that it releases. So the next owner
    detects a crash. The marks name the run, which does not take its own for a crash.

    Processors that contend for long (see DecidedBatches) are slower than one of them alone. So all but one
    stand by: they own nothing while another one can, and share again after some minutes.

    contends: set it when this processor has contended for long. The next `rebalance` takes it.
    """

    contends = False
    _stands_by_until: float | None = None

    def __init__(
        self, database: Database, partitions: int, code: DomainCode, run: Run, stream_created: datetime
    ) -> None:
        """stream_created: when the stream of commands was created that is read."""
        super().__init__(database, partitions, DECIDING, code)
        self._run = run
        self._stream_created = stream_created

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        await forget_refusals_of_other_streams(self.connection, self._stream_created)
        return self

    async def rebalance(self) -> bool:
        """See Leases. It stands by first if it contends, unless it is the first of those that do not."""
        if self._stands_by_until is not None and monotonic() >= self._stands_by_until:
            self._stands_by_until = None
            await leave(self.connection, Lock.STANDING_BY, self._shared.key)
        if self.contends and self._stands_by_until is None:
            sharing = await self._sharing(self.connection)
            if self._pid != min(sharing.members.keys() - sharing.standing_by):
                logger.info("stands by for %d s: the processors contend for streams", STANDS_BY_SECONDS)
                await join(self.connection, Lock.STANDING_BY, self._shared.key)
                self._stands_by_until = monotonic() + STANDS_BY_SECONDS
        self.contends = False
        return await super().rebalance()

    async def refuse_command(self, partition: int, command_id: UUID, needs: str) -> None:
        """Leaves a partition to other code before a command, see `refuse_event`."""
        await self._refuse(partition, needs, command_id=command_id, stream_created=self._stream_created)

    async def begin(self, taken: Sequence[int]) -> list[list[int]]:
        """Marks partitions that were taken. Returns those whose last owners crashed, one list per owner.

        These keep the mark of the crash until `clear`.
        """
        await forget_survived(self.connection, self._run)
        return await begin_running(self.connection, taken, self._run)

    async def clear(self, partitions: Sequence[int]) -> None:
        """Marks partitions whose last owner crashed: all that may have been the cause have outcomes."""
        await mark_running(self.connection, partitions, self._run)

    async def _before_release(self, partitions: Sequence[int]) -> None:
        await end_running(self.connection, partitions, self._run)

    async def _leave(self, connection: Connection) -> None:
        await release_partitions(connection, self.owned, self._run)
