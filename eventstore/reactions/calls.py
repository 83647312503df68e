"""The calls of effects. Each attempt is stored before it begins, so an attempt that ends its process counts.

    (no row) ─► RUNNING ─► DONE ─► (no row: the checkpoint has passed it)
                RUNNING ─ failed ─► WAITING ─► RUNNING …
                RUNNING ─ its process ended ─► ALONE ─► as from RUNNING
    RUNNING, ALONE ─ out of attempts ─► (no row: a dead letter)

Only the holder of the effect's lock writes these rows: through the connection with the lock, one statement at
a time. So no other process counts at the same time. Such a commit need not wait for the disk
(`Database.connect`): if Postgres crashes, the newest commits are lost together with their checkpoint. Then a
call is repeated or an attempt is not counted, but no call is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from enum import StrEnum
from typing import NamedTuple

from commander.domain.errors import Unavailable
from commander.eventstore.database import Connection, reaching_postgres
from commander.eventstore.reactions.effects import (
    begin_effect,
    effects_to_retry,
    record_effect_done,
    record_effect_failure,
    settled_effects,
)
from commander.eventstore.sql import statement

_SAVE = statement("save_effect")


class CallState(StrEnum):
    """RUNNING: it runs, others may too. ALONE: it runs, no other does. WAITING: for its next attempt."""

    RUNNING = "RUNNING"
    ALONE = "ALONE"
    WAITING = "WAITING"
    DONE = "DONE"

    @property
    def is_running(self) -> bool:
        """Whether the call runs. Found at takeover, it means that the process ended during the call."""
        return self in (CallState.RUNNING, CallState.ALONE)


class CallRecord(NamedTuple):
    """The state of a call. attempts: how many have begun; 0 for a call without a row."""

    position: int
    attempts: int = 0
    state: CallState = CallState.WAITING


class InterruptedCall(NamedTuple):
    """A call that ran when its process ended.

    alone: no other ran. retry: it was the retry of a dead letter.
    """

    call: CallRecord
    alone: bool
    retry: bool


class CallStore:
    """The states of the calls of one effect: as stored, and as they will be after the next `save`.

    position: the checkpoint; every call up to it is done. read: the last position read from the log.
    """

    _connection: Connection

    def __init__(self, effect: str) -> None:
        self._effect = effect
        self._done: set[int] = set()  # read, and beyond the checkpoint
        self._settled: set[int] = set()  # done or dead letters, and not read yet
        self._waiting: dict[int, CallRecord] = {}  # failed before, and not read yet
        self._unsaved: dict[int, CallRecord] = {}
        self._left: dict[int, tuple[int, CallRecord]] = {}  # the stored number of attempts, the state since
        self.position = 0
        self.read = 0

    @property
    def done_beyond_checkpoint(self) -> int:
        """How many calls are done although an older one is not."""
        return len(self._done)

    async def open(self, connection: Connection, running: int) -> list[InterruptedCall]:
        """Loads the states. Returns the calls that ran when their process ended, fewest attempts first.

        connection: it holds the effect's lock; every write until `close` goes through it. running: how many
        calls of all effects ran then; see `running_calls`.
        """
        self._connection = connection
        self.position = self.read = await begin_effect(connection, self._effect)
        await self._store_left()
        dead_letters = await settled_effects(connection, self._effect, self.position)
        stored = await _stored_calls(connection, self._effect)
        self._settled = dead_letters | {call.position for call in stored if call.state is CallState.DONE}
        self._waiting = {call.position: call for call in stored if call.state is CallState.WAITING}
        interrupted = [call for call in stored if call.state.is_running]
        return [
            InterruptedCall(
                call,
                alone=running == 1 or call.state is CallState.ALONE,
                retry=call.position <= self.position or call.position in dead_letters,
            )
            for call in sorted(interrupted, key=lambda call: call.attempts)
        ]

    def take(self, position: int) -> CallRecord | None:
        """The log is read up to this event. Returns its call; None if it must not be called again."""
        self.read = position
        if position in self._settled:
            self._settled.discard(position)
            self._done.add(position)
            return None
        return self._waiting.pop(position, CallRecord(position))

    async def to_retry(self, limit: int) -> list[int]:
        """The positions of dead letters with a requested retry, oldest first."""
        return await effects_to_retry(self._connection, self._effect, limit)

    def take_retry(self, position: int) -> CallRecord:
        """The call of a dead letter that is retried."""
        return self._waiting.pop(position, CallRecord(position))

    def count(self, call: CallRecord, state: CallState) -> CallRecord:
        """Counts one more attempt. Call `save` before the attempt begins."""
        return self._noted(CallRecord(call.position, call.attempts + 1, state))

    def failed(self, call: CallRecord) -> CallRecord:
        """Records that the attempt failed and that the call waits for the next one."""
        return self._noted(call._replace(state=CallState.WAITING))

    async def done(self, call: CallRecord, *, retry: bool) -> None:
        """Records that the call succeeded. retry: it was the retry of a dead letter."""
        if retry:
            await record_effect_done(self._connection, self._effect, call.position)
        else:
            self._noted(call._replace(state=CallState.DONE))
            self.passed(call.position)

    async def dead_letter(self, call: CallRecord, error: str, *, retry: bool) -> None:
        """Makes the call a dead letter. This is stored at once. retry: it was one before."""
        await record_effect_failure(self._connection, self._effect, call.position, call.attempts, error)
        if not retry:
            self.passed(call.position)

    def passed(self, position: int) -> None:
        """The call no longer holds back the checkpoint. Its row is deleted when the checkpoint passes it."""
        (self._done if position <= self.read else self._settled).add(position)

    async def forget(self, position: int) -> None:
        """Deletes the row of a call that will not be made."""
        await self._store(self.position, [], [position])

    async def save(self, oldest: int | None, calls: Set[int]) -> None:
        """Stores the changed states and moves the checkpoint to the position before `oldest`.

        oldest: the first call that holds back the checkpoint; None if there is none. calls: the positions of
        all calls to be made, retries of dead letters included.
        """
        reached = self.read if oldest is None else min(self.read, oldest - 1)
        gone = {position for position in self._done if position <= reached}
        kept = [c for c in self._unsaved.values() if c.state is not CallState.DONE or c.position > reached]
        if kept or reached > self.position:
            await self._store(reached, kept, [position for position in gone if position not in calls])
        self.position = reached
        self._done -= gone
        self._unsaved.clear()

    async def close(self, left: Mapping[int, tuple[int, CallRecord]], timeout_seconds: float = 2) -> None:
        """Ends the use of the connection. Stores the states of the calls that are left, if Postgres answers.

        left: by position, the stored number of attempts and the state since. If they cannot be stored now,
        the next `open` stores them.
        """
        self._left.update(left)
        for call in self._unsaved.values():
            if not call.state.is_running:
                self._left[call.position] = (call.attempts, call)
        for known in (self._done, self._settled, self._waiting, self._unsaved):
            known.clear()
        with suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._store_left()

    async def _store_left(self) -> None:
        """Stores the states in `_left`. A call that another process has changed since is left out."""
        if not self._left:
            return
        stored = await _stored_calls(self._connection, self._effect)
        running = {(call.position, call.attempts) for call in stored if call.state.is_running}
        mine = [c for position, (attempts, c) in self._left.items() if (position, attempts) in running]
        kept, gone = [c for c in mine if c.attempts], [c.position for c in mine if not c.attempts]
        await self._store(self.position, kept, gone)
        self._left.clear()

    def _noted(self, call: CallRecord) -> CallRecord:
        self._unsaved[call.position] = call
        return call

    async def _store(self, position: int, calls: Sequence[CallRecord], forgotten: Sequence[int]) -> None:
        with reaching_postgres(self._connection):
            await self._connection.execute(
                _SAVE,
                self._effect,
                position,
                [call.position for call in calls],
                [call.attempts for call in calls],
                [call.state.value for call in calls],
                forgotten,
            )


async def _stored_calls(connection: Connection, effect: str) -> list[CallRecord]:
    """The calls of an effect that have a row, in the order of the log."""
    with reaching_postgres(connection):
        rows = await connection.fetch(
            "select position, attempts, state from effect_calls where effect = $1 order by position", effect
        )
    return [CallRecord(row["position"], row["attempts"], CallState(row["state"])) for row in rows]


async def running_calls(connection: Connection) -> int:
    """How many calls of all effects run, or ran when their process ended."""
    with reaching_postgres(connection):
        return int(
            await connection.fetchval("select count(*) from effect_calls where state in ('RUNNING', 'ALONE')")
        )
