"""Which processor decides which partitions: each has one owner, fenced by its database session.

Every processor holds a shared lock that counts it and, per partition it owns, an exclusive one. Each takes
its share (partitions / processors, rounded up) of what is free, and gives back what is above its share. All
locks live on the connection that appends: a processor that has lost its session can append nothing more,
and one that is alive but cut off keeps its partitions only as long as Postgres keeps its session.
"""

from __future__ import annotations

from types import TracebackType

from commander.domain.errors import OwnershipLost
from eventstore.attempts import begin_running, end_running, leave
from eventstore.database import Connection, Database, reaching_postgres
from eventstore.locks import Lock, join, members, try_lock, unlock


class Ownership:
    """The partitions this processor owns, and the connection that proves it."""

    def __init__(self, database: Database, partitions: int) -> None:
        self._database = database
        self._partitions = partitions
        self._connection: Connection | None = None
        self.owned: list[int] = []

    @property
    def connection(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            raise OwnershipLost("Postgres", "the connection that held the partitions is gone")
        return self._connection

    async def __aenter__(self) -> Ownership:
        connection = self._connection = await self._database.connect("commander processor")
        try:
            with reaching_postgres(connection):
                await connection.execute("set tcp_keepalives_idle = 5")
                await connection.execute("set tcp_keepalives_interval = 2")
                await connection.execute("set tcp_keepalives_count = 3")
            await join(connection, Lock.PROCESSORS)
        except BaseException:
            connection.terminate()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await leave(connection, self.owned)
        self.owned = []

    async def begin(self) -> list[int]:
        """Marks the owned partitions as running; returns those whose last owner died over them."""
        return await begin_running(self.connection, self.owned)

    async def rebalance(self) -> bool:
        """Takes what is free up to the share, gives back what is above it; says whether anything changed.

        Call it between batches only: a partition must not be given away with commands under way.
        """
        before = list(self.owned)
        share = -(-self._partitions // max(1, await members(self.connection, Lock.PROCESSORS)))
        surplus, self.owned = self.owned[share:], self.owned[:share]
        if surplus:
            await end_running(self.connection, surplus)
        for partition in surplus:
            await unlock(self.connection, Lock.PARTITION, partition)
        for partition in range(self._partitions):
            if len(self.owned) >= share:
                break
            if partition not in self.owned and await try_lock(self.connection, Lock.PARTITION, partition):
                self.owned.append(partition)
        return sorted(before) != sorted(self.owned)
