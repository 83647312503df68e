"""The checkpoints of the partitions of the COMMANDS stream, and their fixed number."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from commander.domain.errors import CommanderError
from commander.eventstore.database import Connection, Database, reaching_postgres
from commander.eventstore.records import Progress

_SETTLE = """
with made as (insert into partitions (partition) select generate_series(0, $1 - 1) returning partition)
insert into progress (partition, stream_created, sequence) select partition, '-infinity', 0 from made
"""
_PROGRESS = "select partition, sequence, nullif(stream_created, '-infinity') from newest_progress()"


class PartitionsFixed(CommanderError):
    """The number of partitions cannot change after the first start. Set COMMANDER_PARTITIONS back."""


async def settle_partitions(database: Database, count: int) -> None:
    """Records the number of partitions at the first start. Raises PartitionsFixed if it has another value."""
    async with database.connection() as connection, connection.transaction():
        await connection.execute("lock table partitions in exclusive mode")
        existing = int(await connection.fetchval("select count(*) from partitions"))
        if existing == 0:
            await connection.execute(_SETTLE, count)
        elif existing != count:
            raise PartitionsFixed(
                f"COMMANDER_PARTITIONS is {count}, but this system was started with {existing}. Set it to "
                f"{existing}: a stream must stay in its partition, or its commands are decided out of order"
            )


async def settled_partitions(database: Database) -> int:
    """The recorded number of partitions; 0 before the first start."""
    return int(await database.fetchval("select count(*) from partitions"))


async def partition_progress(connection: Connection, partitions: Sequence[int]) -> dict[int, Progress]:
    """The progress of each of these partitions, by partition. Raises Unavailable."""
    with reaching_postgres(connection):
        rows = await connection.fetch(
            f"{_PROGRESS} where partition = any($1::int[])",
            partitions,
        )
    return {row["partition"]: Progress((row["partition"],), *row[1:]) for row in rows}


async def all_progress(database: Database) -> list[Progress]:
    """The progress of every partition. Raises Unavailable."""
    rows = await database.fetch(_PROGRESS)
    return [Progress((row["partition"],), *row[1:]) for row in rows]


async def least_sequence(connection: Connection, stream_created: datetime) -> int:
    """The sequence up to which all partitions have decided the stream that was created at this time."""
    with reaching_postgres(connection):
        return int(
            await connection.fetchval(
                """select coalesce(min(case when stream_created = $1 then sequence else 0 end), 0)
                   from newest_progress()""",
                stream_created,
            )
        )


async def furthest_sequences(database: Database) -> dict[datetime, int]:
    """The last message that any partition has decided, by the time at which its stream was created."""
    rows = await database.fetch(
        """select stream_created, max(sequence) from newest_progress()
           where stream_created > '-infinity' group by stream_created"""
    )
    return {row[0]: int(row[1]) for row in rows}


async def read_again(connection: Connection) -> None:
    """Forgets the progress of all partitions: the queue is read from its beginning.

    Outcomes keep what is still there from being decided twice.
    """
    await connection.execute("update progress set sequence = 0, stream_created = '-infinity'")
