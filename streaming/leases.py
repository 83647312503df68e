"""Leases on partitions: each partition has one owner, which is fenced by its database session.

Every process of the group holds a shared lock, which counts it, and an exclusive lock for each partition it
owns. It takes free partitions up to its share (partitions / processes, rounded up) and releases those above
it. All locks belong to the connection that writes. So a process that has lost its session cannot write any
more. A process that is alive but disconnected keeps its partitions only as long as Postgres keeps its
session.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from commander.domain.errors import LeasesLost
from commander.eventstore.database import Connection, Database, reaching_postgres
from commander.eventstore.locks import Lock, join, lock_key, members, try_lock, unlock
from commander.eventstore.log.quarantine import (
    Run,
    begin_running,
    end_running,
    forget_survived,
    mark_running,
    release_partitions,
)


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
    """The partitions that this process owns, and the connection that holds their locks."""

    def __init__(self, database: Database, partitions: int, shared: LeaseGroup) -> None:
        self._database = database
        self._partitions = partitions
        self._shared = shared
        self._connection: Connection | None = None
        self.owned: list[int] = []

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
            with reaching_postgres(connection):
                await connection.execute("set tcp_keepalives_idle = 5")
                await connection.execute("set tcp_keepalives_interval = 2")
                await connection.execute("set tcp_keepalives_count = 3")
            await join(connection, shared.members, shared.key)
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
        shared = self._shared
        _ = self.connection  # raises LeasesLost
        async with self._database.connection() as connection:
            return len(self.owned) == self._share(await members(connection, shared.members, shared.key))

    async def rebalance(self) -> bool:
        """Takes free partitions up to the share and releases those above it.

        Returns whether anything changed.

        Call it only between batches: a partition must not be released with work in progress.
        """
        shared = self._shared
        before = list(self.owned)
        share = self._share(await members(self.connection, shared.members, shared.key))
        surplus, self.owned = self.owned[share:], self.owned[:share]
        if surplus:
            await self._before_release(surplus)
        for partition in surplus:
            await unlock(self.connection, shared.partition, shared.key_of(partition))
        for partition in range(self._partitions):
            if len(self.owned) >= share:
                break
            key = shared.key_of(partition)
            if partition not in self.owned and await try_lock(self.connection, shared.partition, key):
                self.owned.append(partition)
        return sorted(before) != sorted(self.owned)

    def _share(self, sharing: int) -> int:
        """How many partitions each of so many processes may have."""
        return -(-self._partitions // max(1, sharing))

    async def _before_release(self, partitions: Sequence[int]) -> None:
        """Called before these partitions are released."""

    async def _leave(self, connection: Connection) -> None:
        """Closes the connection, which releases all partitions."""
        connection.terminate()


class ProcessorLeases(Leases):
    """The leases of a processor.

    It marks its partitions as running and removes the mark of those that it releases. So the next owner
    detects a crash. The marks name the run, which does not take its own for a crash.
    """

    def __init__(self, database: Database, partitions: int, run: Run) -> None:
        super().__init__(database, partitions, DECIDING)
        self._run = run

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
