"""Which process has which partitions: each has one owner, fenced by its database session.

Every process that shares holds a shared lock that counts it and, per partition it owns, an exclusive one.
Each takes its share (partitions / processes, rounded up) of what is free, and gives back what is above its
share. All locks live on the connection that writes: who has lost its session can write nothing more, and one
that is alive but cut off keeps its partitions only as long as Postgres keeps its session.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from commander.domain.errors import LeasesLost
from commander.eventstore.database import Connection, Database, reaching_postgres
from commander.eventstore.locks import Lock, join, lock_key, members, try_lock, unlock
from commander.eventstore.log.quarantine import begin_running, end_running, leave


@dataclass(frozen=True)
class LeaseGroup:
    """What processes share the partitions of. name: of one reactor, say. durable: see `Database.connect`."""

    application: str
    members: Lock
    partition: Lock
    name: str = ""
    durable: bool = True

    @property
    def key(self) -> int:
        """Of the lock that counts who shares."""
        return lock_key(self.name) if self.name else 0

    def key_of(self, partition: int) -> int:
        return lock_key(f"{self.name} {partition}") if self.name else partition


DECIDING = LeaseGroup("commander processor", Lock.PROCESSORS, Lock.PARTITION)


def reactor_leases(name: str) -> LeaseGroup:
    """The partitions of a reactor's keys. What it writes can be made again, so no disk is waited for."""
    return LeaseGroup(f"commander reactor {name}", Lock.REACTORS, Lock.REACTOR, name, durable=False)


class Leases:
    """The partitions this process owns, and the connection that proves it."""

    def __init__(self, database: Database, partitions: int, shared: LeaseGroup) -> None:
        self._database = database
        self._partitions = partitions
        self._shared = shared
        self._connection: Connection | None = None
        self.owned: list[int] = []

    @property
    def connection(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            raise LeasesLost("Postgres", "the connection that held the partitions is gone")
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
        """Whether it has its share, so that `rebalance` would change nothing. Work may be under way."""
        shared = self._shared
        _ = self.connection  # raises LeasesLost
        async with self._database.connection() as connection:
            return len(self.owned) == self._share(await members(connection, shared.members, shared.key))

    async def rebalance(self) -> bool:
        """Takes what is free up to the share, gives back what is above it; says whether anything changed.

        Call it between batches only: a partition must not be given away with work under way.
        """
        shared = self._shared
        before = list(self.owned)
        share = self._share(await members(self.connection, shared.members, shared.key))
        surplus, self.owned = self.owned[share:], self.owned[:share]
        if surplus:
            await self._give_back(surplus)
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
        """How many partitions each of so many may have."""
        return -(-self._partitions // max(1, sharing))

    async def _give_back(self, partitions: Sequence[int]) -> None:
        """What is done with partitions before others may have them."""

    async def _leave(self, connection: Connection) -> None:
        """Closes the connection, and with it gives back what is owned."""
        connection.terminate()


class ProcessorLeases(Leases):
    """A processor's. Its partitions are marked while it has them, so that the next knows of a violent end."""

    def __init__(self, database: Database, partitions: int) -> None:
        super().__init__(database, partitions, DECIDING)

    async def begin(self) -> list[int]:
        """Marks the owned partitions as running; returns those whose last owner died over them."""
        return await begin_running(self.connection, self.owned)

    async def _give_back(self, partitions: Sequence[int]) -> None:
        await end_running(self.connection, partitions)

    async def _leave(self, connection: Connection) -> None:
        await leave(connection, self.owned)
