"""Reads what the parts of a system share, with a fixed number of statements, however much there is.

What takes longer with more of it (all dead letters, the size of a table) is read the less often the longer
it takes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

from commander.eventstore.database import Database
from commander.eventstore.locks import Lock, lock_holders
from commander.eventstore.log.command_history import OpenDeadLetters, open_dead_letters, outcomes_after
from commander.eventstore.log.event_log import LogHead, log_bytes, log_head, types_at
from commander.eventstore.projections.keeping import kept_up
from commander.eventstore.projections.serving import TableRecord, table_records
from commander.eventstore.reactions.effects import effect_positions, open_effect_failures
from commander.eventstore.reactions.reactors import ReactorStatus, reactors_now
from commander.eventstore.reactions.recurring import SetTick, set_ticks
from commander.eventstore.records import Status
from commander.eventstore.sharing import Refusal, Session, refusals, sessions
from commander.streaming.commands.lags import partition_lags
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.streams import mirrored_position, queue_depth

T = TypeVar("T")

_SHARE = 20
"""What took t seconds to read is not read again for this many times t: so it costs a twentieth at most."""
_COUNTED = 2000
"""Of more outcomes in a second, only the newest are read. The others are taken to have ended alike."""
_LOCKS = (Lock.PARTITION, Lock.RELAY, Lock.EFFECT, Lock.RECURRING)


@dataclass(frozen=True)
class Found:
    """What was read. now: by NATS' clock. clock: monotonic, in seconds. ended: the newest outcomes by status.

    mirrored: the end of EVENTS. queue_sequence: the end of COMMANDS. lags: of its partitions. holders: the
    sessions that hold locks. kept: the names of tables that a process keeps up. types: of the events at which
    something has stopped.
    """

    now: datetime
    clock: float
    log: LogHead
    log_bytes: int
    ended: Mapping[Status, int]
    mirrored: int
    queue_sequence: int
    lags: Mapping[int, int]
    holders: Mapping[tuple[Lock, int], int]
    sessions: Sequence[Session]
    refusals: Sequence[Refusal]
    tables: Sequence[TableRecord]
    kept: frozenset[str]
    reactors: Sequence[ReactorStatus]
    effects: Mapping[str, int]
    effect_failures: Mapping[str, int]
    ticks: Mapping[str, SetTick]
    dead_letters: OpenDeadLetters
    types: Mapping[int, str]


class Paced(Generic[T]):
    """Something whose reading can take long. It is read again when that costs a small share of the time."""

    def __init__(self, read: Callable[[], Awaitable[T]]) -> None:
        self._read = read
        self._last: T | None = None
        self._due = 0.0

    async def value(self) -> T:
        """As read now, or some time ago."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        if self._last is None or began >= self._due:
            self._last = await self._read()
            ended = loop.time()
            self._due = ended + _SHARE * (ended - began)
        return self._last


class Reading:
    """Reads the state of a system, again and again."""

    def __init__(self, database: Database, nats: Nats) -> None:
        self._database = database
        self._nats = nats
        self._ended: int | None = None
        self._bytes = Paced(lambda: log_bytes(database))
        self._dead = Paced(lambda: open_dead_letters(database))
        self._effect_failures = Paced(lambda: open_effect_failures(database))

    async def read(self) -> Found:
        """Reads all of it. The log's end comes first: what is read later is not behind because of that.

        Raises Unavailable.
        """
        database, clock = self._database, asyncio.get_running_loop().time()
        log = await log_head(database)
        before, self._ended = self._ended, log.commands
        queue = await queue_depth(self._nats)
        tables, reactors = await table_records(database), await reactors_now(database)
        async with database.connection() as connection:
            ticks = await set_ticks(connection)
        followers: list[TableRecord | ReactorStatus] = [*tables, *reactors]
        failed = [one.failed_position for one in followers if one.failed_position is not None]
        return Found(
            now=self._nats.clock.now().astimezone(UTC),
            clock=clock,
            log=log,
            log_bytes=await self._bytes.value(),
            ended={} if before is None else await outcomes_after(database, before, _COUNTED),
            mirrored=await mirrored_position(self._nats),
            queue_sequence=queue.last_sequence,
            lags=await partition_lags(database, queue),
            holders=await lock_holders(database, *_LOCKS),
            sessions=await sessions(database),
            refusals=[one for one in await refusals(database) if not one.settled],
            tables=tables,
            kept=await kept_up(database, [one.table_name for one in tables]),
            reactors=reactors,
            effects=await effect_positions(database),
            effect_failures=await self._effect_failures.value(),
            ticks=ticks,
            dead_letters=await self._dead.value(),
            types=await types_at(database, failed),
        )
