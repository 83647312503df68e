"""Calls of effects that were begun: each attempt is stored before, so one that ends its process counts.

    (no row) ─► RUNNING ─► DONE ─► (no row: the checkpoint has passed it)
                RUNNING ─ failed ─► WAITING ─► RUNNING …
                RUNNING ─ its process ended ─► ALONE ─► as from RUNNING
    RUNNING, ALONE ─ out of attempts ─► (no row: a dead letter)

Who holds the effect's lock writes them through that connection, one statement at a time, so nobody counts
beside it. Such a commit need not wait for the disk (`Database.connect`): if Postgres itself crashes, the
newest are gone together, checkpoint included. That repeats a call, or forgets an attempt; it loses no call.
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
    """RUNNING: beside others. ALONE: while nothing else was called. WAITING: for its next attempt."""

    RUNNING = "RUNNING"
    ALONE = "ALONE"
    WAITING = "WAITING"
    DONE = "DONE"

    @property
    def under_way(self) -> bool:
        """Found at takeover, it says that the process ended while the call ran."""
        return self in (CallState.RUNNING, CallState.ALONE)


class TriedCall(NamedTuple):
    """How a call stands. attempts: how often it was begun; 0 for one that has no row."""

    position: int
    attempts: int = 0
    state: CallState = CallState.WAITING


class Suspect(NamedTuple):
    """A call that ran when its process ended. alone: no other did. again: it was a dead letter."""

    tried: TriedCall
    alone: bool
    again: bool


class Ledger:
    """How the calls of one effect stand: as Postgres has it, and as it will have it after the next `save`.

    position: the checkpoint; what stands up to it is done. read: how far the log was read. ahead: how many
    are done though an older one is not.
    """

    _connection: Connection

    def __init__(self, effect: str) -> None:
        self._effect = effect
        self._ahead: set[int] = set()
        self._settled: set[int] = set()  # done, or dead letters, and not read yet
        self._waiting: dict[int, TriedCall] = {}  # failed before, and not read yet
        self._unsaved: dict[int, TriedCall] = {}
        self._left: dict[int, tuple[int, TriedCall]] = {}  # attempts as stored, and how it stands since
        self.position = 0
        self.read = 0

    @property
    def ahead(self) -> int:
        return len(self._ahead)

    async def open(self, connection: Connection) -> list[Suspect]:
        """Learns how the calls stand; those that ran when their process ended, the least tried first.

        connection: it holds the effect's lock; all is written through it until `close`.
        """
        self._connection = connection
        self.position = self.read = await begin_effect(connection, self._effect)
        await self._hand_back()
        dead_letters = await settled_effects(connection, self._effect, self.position)
        tried = await _tried_calls(connection, self._effect)
        self._settled = dead_letters | {call.position for call in tried if call.state is CallState.DONE}
        self._waiting = {call.position: call for call in tried if call.state is CallState.WAITING}
        suspects = [call for call in tried if call.state.under_way]
        only_one = bool(suspects) and await _calls_under_way(connection) == 1
        return [
            Suspect(
                call,
                alone=only_one or call.state is CallState.ALONE,
                again=call.position <= self.position or call.position in dead_letters,
            )
            for call in sorted(suspects, key=lambda call: call.attempts)
        ]

    def take(self, position: int) -> TriedCall | None:
        """The log was read up to this event. How its call stands; None when it is not to be called."""
        self.read = position
        if position in self._settled:
            self._settled.discard(position)
            self._ahead.add(position)
            return None
        return self._waiting.pop(position, TriedCall(position))

    async def to_retry(self, limit: int) -> list[int]:
        """The positions of dead letters that somebody wants retried, the oldest first."""
        return await effects_to_retry(self._connection, self._effect, limit)

    def take_again(self, position: int) -> TriedCall:
        """How the call stands of a dead letter that is retried."""
        return self._waiting.pop(position, TriedCall(position))

    def count(self, call: TriedCall, state: CallState) -> TriedCall:
        """One more attempt. It must be saved before it begins."""
        return self._noted(TriedCall(call.position, call.attempts + 1, state))

    def failed(self, call: TriedCall) -> TriedCall:
        """It waits for its next attempt."""
        return self._noted(call._replace(state=CallState.WAITING))

    async def done(self, call: TriedCall, *, again: bool) -> None:
        if again:
            await record_effect_done(self._connection, self._effect, call.position)
        else:
            self._noted(call._replace(state=CallState.DONE))
            self.passed(call.position)

    async def set_aside(self, call: TriedCall, error: str, *, again: bool) -> None:
        """It is a dead letter from now on; that is stored at once."""
        await record_effect_failure(self._connection, self._effect, call.position, call.attempts, error)
        if not again:
            self.passed(call.position)

    def passed(self, position: int) -> None:
        """It holds the checkpoint back no more; its row, if it has one, goes when the checkpoint passes."""
        (self._ahead if position <= self.read else self._settled).add(position)

    async def forget(self, position: int) -> None:
        """Nobody will make this call."""
        await self._store(self.position, [], [position])

    async def save(self, oldest: int | None, calls: Set[int]) -> None:
        """Stores how calls stand, and moves the checkpoint to before the oldest.

        oldest: the first position that holds it back; None for none. calls: the positions of all that are to
        be made, also of those that do not.
        """
        reached = self.read if oldest is None else min(self.read, oldest - 1)
        gone = {position for position in self._ahead if position <= reached}
        tried = [c for c in self._unsaved.values() if c.state is not CallState.DONE or c.position > reached]
        if tried or reached > self.position:
            await self._store(reached, tried, [position for position in gone if position not in calls])
        self.position = reached
        self._ahead -= gone
        self._unsaved.clear()

    async def close(self, left: Mapping[int, tuple[int, TriedCall]], timeout_seconds: float = 2) -> None:
        """Ends the use of the connection; stores how the calls stand that were left, if Postgres hears of it.

        left: by position, the attempts as stored, and how the call stands since. What cannot be stored now is
        by the next `open`.
        """
        self._left.update(left)
        for call in self._unsaved.values():
            if not call.state.under_way:
                self._left[call.position] = (call.attempts, call)
        for known in (self._ahead, self._settled, self._waiting, self._unsaved):
            known.clear()
        with suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._hand_back()

    async def _hand_back(self) -> None:
        """Stores what is in `_left`, but for calls that somebody has had since: those stand otherwise now."""
        if not self._left:
            return
        stored = await _tried_calls(self._connection, self._effect)
        under_way = {(call.position, call.attempts) for call in stored if call.state.under_way}
        mine = [c for position, (attempts, c) in self._left.items() if (position, attempts) in under_way]
        kept, gone = [c for c in mine if c.attempts], [c.position for c in mine if not c.attempts]
        await self._store(self.position, kept, gone)
        self._left.clear()

    def _noted(self, call: TriedCall) -> TriedCall:
        self._unsaved[call.position] = call
        return call

    async def _store(self, position: int, calls: Sequence[TriedCall], forgotten: Sequence[int]) -> None:
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


async def _tried_calls(connection: Connection, effect: str) -> list[TriedCall]:
    """The calls of an effect that were begun, in the order of the log; not what the checkpoint has passed."""
    with reaching_postgres(connection):
        rows = await connection.fetch(
            "select position, attempts, state from effect_calls where effect = $1 order by position", effect
        )
    return [TriedCall(row["position"], row["attempts"], CallState(row["state"])) for row in rows]


async def _calls_under_way(connection: Connection) -> int:
    """How many calls there are, of whichever effect, that run, or ran when their process ended."""
    with reaching_postgres(connection):
        return int(
            await connection.fetchval("select count(*) from effect_calls where state in ('RUNNING', 'ALONE')")
        )
