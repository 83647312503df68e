"""Deep queues, who owns their partitions, and when what was decided: all taken from what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID, uuid4

from bench.filling import deposits, enqueue, openings
from bench.processes import Process, until
from bench.servers import PARTITIONS, System
from commander.eventstore.database import Database
from commander.eventstore.locks import Lock
from commander.eventstore.log.event_log import ended_commands
from commander.eventstore.records import SubmittedCommand
from commander.streaming.commands.messages import MAX_TOGETHER, encoded, message_of_many
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.publishing import chunks, publish_atomically

_AT_ONCE = 20_000
"""How many commands are made before they are queued: each takes memory."""


class Commit(NamedTuple):
    """A transaction. at: Postgres' clock, in seconds, when it took its positions."""

    at: float
    commands: int


async def deep_queue(system: System, accounts: int, count: int, *, together: bool) -> list[UUID]:
    """Queues the opening of accounts and so many deposits. Returns the ids of all.

    together: a hundred share a message, like those that an API process gets at once. Else each is alone.
    """
    ids = [uuid4() for _ in range(accounts)]
    put = enqueue_together if together else enqueue
    queued: list[UUID] = []
    commands = openings(ids)
    while commands:
        await put(system.nats, commands)
        queued += [command.command_id for command in commands]
        commands = deposits(ids, min(_AT_ONCE, accounts + count - len(queued)))
    return queued


async def enqueue_together(nats: Nats, commands: Sequence[SubmittedCommand]) -> None:
    """Returns once all of them are on disk, in this order, many in each message."""
    groups = [commands[n : n + MAX_TOGETHER] for n in range(0, len(commands), MAX_TOGETHER)]
    messages = [
        message_of_many(
            nats.names, [encoded(one) for one in group], [one.stream for one in group], PARTITIONS
        )
        for group in groups
    ]
    for chunk in chunks(messages):
        await publish_atomically(nats, chunk)


async def shares(database: Database, lock: Lock = Lock.PARTITION) -> list[int]:
    """How many partitions each process owns that owns some, the fewest first."""
    rows = await database.fetch(
        """select count(*) from pg_locks
           where locktype = 'advisory' and classid = $1 and granted
             and database = (select oid from pg_database where datname = current_database())
           group by pid order by 1""",
        int(lock),
    )
    return [row["count"] for row in rows]


async def until_shared(
    database: Database, processes: Sequence[Process], lock: Lock = Lock.PARTITION, timeout_seconds: float = 60
) -> None:
    """Waits until so many processes have all partitions, each its share."""
    wanted = sorted(len(range(n, PARTITIONS, len(processes))) for n in range(len(processes)))

    async def shared() -> bool:
        for process in processes:
            process.must_run()
        return await shares(database, lock) == wanted

    await until(shared, timeout_seconds, look_seconds=0.02)


async def until_decided(database: Database, processes: Sequence[Process], count: int) -> None:
    """Waits until so many commands have an outcome."""

    async def decided() -> bool:
        for process in processes:
            process.must_run()
        return await ended_commands(database) >= count

    await until(decided, timeout_seconds=300)


async def clock(database: Database) -> float:
    """Postgres' clock, in seconds."""
    return float(await database.fetchval("select extract(epoch from clock_timestamp())::float8"))


async def commits(database: Database) -> list[Commit]:
    """All transactions that decided commands, in order."""
    rows = await database.fetch(
        """select extract(epoch from decided_at)::float8, count(*) from commands
           group by decided_at order by decided_at"""
    )
    return [Commit(*row) for row in rows]


def rate(found: Sequence[Commit], begin: float, end: float) -> float:
    """Commands per second between the first and the last transaction of this time.

    The first one's commands are not counted: they were decided before it.
    """
    within = [one for one in found if begin <= one.at <= end]
    return sum(one.commands for one in within[1:]) / (within[-1].at - within[0].at)
