"""Runs an effect: it reads events and calls the domain's async function for each, at least once.

Calls run concurrently and end in any order. The checkpoint is before the oldest call that is not done. So no
call is lost, whatever ends this process. Calls that are done beyond the checkpoint are stored and not
repeated. A failed call is retried after a growing pause. Without attempts left it becomes a dead letter,
which is stored before the checkpoint passes it. The number of calls beyond the oldest is limited.

    waiting ─► running ─► done      running ─► waiting …      running ─► dead letter

Before an event that this code does not know, and that newer code is to handle, it reads no further. When its
calls have ended, it releases the lock for a while, so that a process with newer code can take over.

An attempt is stored before it begins, and counts even if it ends the process. The next owner finds such a
call as running. It calls it before all others and exclusively, or makes it a dead letter if it has no
attempts left. One task does all writes, one statement per turn, through the connection that holds the
effect's lock.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from heapq import heappop, heappush
from typing import Any

from commander.domain import Domain, UndecodableEvent
from commander.domain.effects import EffectType
from commander.eventstore.database import Database
from commander.eventstore.locks import Lock, held_keys, lock_key, sole_holder
from commander.eventstore.log.ranges import read_log
from commander.eventstore.reactions.calls import (
    CallRecord,
    CallState,
    CallStore,
    InterruptedCall,
    running_calls,
)
from commander.eventstore.records import RecordedEvent
from commander.streaming.effects.attempts import Backoff, CallExclusion, attempt
from commander.streaming.effects.calls import Call, record_after_cancel
from commander.streaming.log.reading import LogReader
from commander.streaming.nats.connection import Nats
from commander.streaming.newer_code import NewerCode, NotKnown
from commander.streaming.running import keep_running

logger = logging.getLogger("commander.effects")

_BATCH = 500
_PAUSE_SECONDS = 0.05
_OPEN_PER_SLOT = 10
"""The limit of calls that are pending or done beyond the checkpoint, per call that may run at once."""
_ENDED = "the process ended during the call"


class EffectRunner:
    """Runs one effect until its task is cancelled. exclusion: shared by all effects of this process."""

    def __init__(
        self,
        domain: Domain,
        database: Database,
        nats: Nats,
        effect: EffectType,
        backoff: Backoff | None = None,
        exclusion: CallExclusion | None = None,
    ) -> None:
        self._domain = domain
        self._database = database
        self._nats = nats
        self._effect = effect
        self._backoff = backoff or Backoff()
        self._exclusion = exclusion or CallExclusion()
        self._store = CallStore(effect.name)
        self._reading: asyncio.Task[list[RecordedEvent]] | None = None
        self._calls: dict[int, Call] = {}  # all calls to be made, by position
        self._waiting: list[tuple[float, int]] = []  # a heap of (earliest begin, position)
        self._running: dict[int, Call] = {}  # those with a running attempt
        self._newer = NewerCode(database, domain)
        self.failure: str | None = None

    @property
    def name(self) -> str:
        return self._effect.name

    @property
    def position(self) -> int:
        """The checkpoint: every call up to it is done."""
        return self._store.position

    async def run(self) -> None:
        """Runs until cancelled. While a server is unreachable it retries."""
        await keep_running(self._hold, logger)

    async def _hold(self) -> None:
        holding = sole_holder(
            self._database,
            Lock.EFFECT,
            lock_key(self.name),
            f"commander effect {self.name}",
            durable=False,  # see eventstore/reactions/calls.py
        )
        reader = LogReader(self._database, self._nats, pause_seconds=_PAUSE_SECONDS)
        if self.failure is not None and lock_key(self.name) in await held_keys(self._database, Lock.EFFECT):
            self.failure = None  # it has been taken over
        async with holding as connection, reader as log:
            try:
                running = await self._exclusion.running_at_takeover(partial(running_calls, connection))
                interrupted = await self._store.open(connection, running)
                logger.info("effect %s continues from position %d", self.name, self.position)
                for call in interrupted:
                    await self._call_exclusively(call)
                self.failure = None
                while self.failure is None or self._calls:
                    await self._wait(log)
                    await self._step()
                raise NotKnown(self.failure)
            finally:
                await self._abandon()

    async def _call_exclusively(self, interrupted: InterruptedCall) -> None:
        """Repeats a call that may have ended its process, while no other call runs here.

        A call that ran alone and has no attempts left becomes a dead letter. One that ran beside others gets
        one more attempt even if it has none left, because another call may have ended the process.
        """
        record = interrupted.call
        [event] = await read_log(self._database, record.position - 1, record.position, 1)
        if unknown := await self._newer.unknown_to_effect(self._effect, event):
            self.failure = unknown
            raise NotKnown(unknown)
        call = await self._call(event, record, retry=interrupted.retry) if self._takes(event) else None
        if call is None:
            await self._store.forget(record.position)
        elif interrupted.alone and record.attempts >= self._effect.attempts:
            await self._dead_letter(call.record, _ENDED, retry=interrupted.retry)
        else:
            text = "effect %s at position %d is repeated exclusively: %s"
            logger.warning(text, self.name, record.position, _ENDED)
            async with self._exclusion.exclusive():
                self._count(call, CallState.ALONE)
                await self._save()
                await asyncio.wait([self._start(call)])
                await self._settle(call)
                await self._save()

    async def _wait(self, log: LogReader) -> None:
        """Waits until there are events, an attempt has ended, or one is due."""
        open_calls = len(self._calls) + self._store.done_beyond_checkpoint
        full = open_calls >= self._effect.concurrency * _OPEN_PER_SLOT
        if self._reading is None and not full and self.failure is None:
            self._reading = asyncio.create_task(log.after(self._store.read, _BATCH))
        attempts = [call.attempt for call in self._running.values()]
        waited: set[asyncio.Future[Any]] = {
            one for one in (self._reading, self._exclusion.closed, *attempts) if one is not None
        }
        pause = None
        has_slot = self._exclusion.closed is None and len(self._running) < self._effect.concurrency
        if self._waiting and has_slot:
            pause = max(0.0, self._waiting[0][0] - asyncio.get_running_loop().time())
        if waited:
            await asyncio.wait(waited, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(pause or 0)

    async def _step(self) -> None:
        """Handles ended attempts and new events, stores the states, then begins the calls that are due."""
        for call in list(self._running.values()):
            if call.attempt is not None and call.attempt.done():
                await self._settle(call)
        if self._reading is not None and self._reading.done():
            reading, self._reading = self._reading, None
            await self._take_known(reading.result())
            await self._take_retries()
        due = self._count_due()
        self._exclusion.set_running(self.name, len(self._running))
        await self._save()
        for call in due:
            self._start(call)

    async def _take_known(self, events: Sequence[RecordedEvent]) -> None:
        """Takes these events, up to the first that is left to newer code."""
        self._newer.look_again()
        for event in events:
            if not self._newer.knows(event):
                self.failure = await self._newer.unknown_to_effect(self._effect, event)
            if self.failure is not None:
                return
            await self._take(event)

    async def _take(self, event: RecordedEvent) -> None:
        record = self._store.take(event.position)
        if record is None or event.position in self._calls:  # it may wait after an exclusive call
            return
        if not self._takes(event):
            if record.attempts:  # an earlier version of the code took it
                self._store.passed(event.position)
        elif (call := await self._call(event, record, retry=False)) is not None:
            self._queue(call)

    async def _take_retries(self) -> None:
        """Queues the dead letters with a requested retry. Such a call does not hold back the checkpoint."""
        for position in await self._store.to_retry(self._effect.concurrency):
            if position in self._calls:
                continue
            [event] = await read_log(self._database, position - 1, position, 1)
            if await self._newer.unknown_to_effect(self._effect, event):
                continue
            record = self._store.take_retry(position)
            if not self._takes(event):
                await self._dead_letter(record, f"{self.name} no longer takes {event.type}", retry=True)
            elif (call := await self._call(event, record, retry=True)) is not None:
                self._queue(call)

    def _takes(self, event: RecordedEvent) -> bool:
        type_ = self._domain.event_type(event.type)
        return type_ is not None and type_.cls in self._effect.events

    async def _call(self, event: RecordedEvent, record: CallRecord, *, retry: bool) -> Call | None:
        """The call for an event. None if the event cannot be decoded: then it becomes a dead letter."""
        try:
            instance = self._domain.decode(event.type, event.schema_version, event.data, event.position)
        except UndecodableEvent as error:
            await self._dead_letter(record, str(error), retry=retry)
            return None
        call = self._calls[event.position] = Call(event, instance, record, retry)
        return call

    def _queue(self, call: Call) -> None:
        """Queues the call: a first attempt begins at once, a later one after a pause.

        A restart during the pause starts the pause again.
        """
        pause = self._backoff.after(call.record.attempts) if call.record.attempts else 0
        heappush(self._waiting, (asyncio.get_running_loop().time() + pause, call.event.position))

    def _count_due(self) -> list[Call]:
        """Counts an attempt at each call that is due, up to the concurrency limit."""
        due: list[Call] = []
        if self._exclusion.closed is not None:
            return due
        now = asyncio.get_running_loop().time()
        while self._waiting and self._waiting[0][0] <= now and len(self._running) < self._effect.concurrency:
            call = self._calls[heappop(self._waiting)[1]]
            self._count(call, CallState.RUNNING)
            due.append(call)
        return due

    def _count(self, call: Call, state: CallState) -> None:
        call.before, call.record = call.record, self._store.count(call.record, state)
        self._running[call.event.position] = call

    def _start(self, call: Call) -> asyncio.Task[str | None]:
        """Starts the attempt, which is stored by now."""
        making = attempt(self._effect, call, self._nats.names.identity.epochs)
        call.attempt = asyncio.create_task(making)
        return call.attempt

    async def _settle(self, call: Call) -> None:
        """Handles the end of an attempt: done, another attempt, or a dead letter."""
        assert call.attempt is not None, "the attempt was started"
        error, position = call.attempt.result(), call.event.position
        del self._running[position]
        call.attempt = call.before = None
        if error is None:
            del self._calls[position]
            await self._store.done(call.record, retry=call.retry)
            return
        logger.warning("effect %s at position %d: %s", self.name, position, error)
        if call.record.attempts >= self._effect.attempts:
            await self._dead_letter(call.record, error, retry=call.retry)
        else:
            call.record = self._store.failed(call.record)
            self._queue(call)

    async def _dead_letter(self, record: CallRecord, error: str, *, retry: bool) -> None:
        logger.error("effect %s at position %d is a dead letter: %s", self.name, record.position, error)
        self._calls.pop(record.position, None)
        await self._store.dead_letter(record, error, retry=retry)

    async def _save(self) -> None:
        """Stores the states of calls, and moves the checkpoint to the position before the oldest call."""
        oldest = min((p for p, call in self._calls.items() if not call.retry), default=None)
        await self._store.save(oldest, self._calls.keys())

    async def _abandon(self) -> None:
        """Cancels all running calls. A cancelled attempt does not count, if Postgres can still be reached."""
        tasks = [self._reading, *(call.attempt for call in self._running.values())]
        running = [task for task in tasks if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        left = {p: (c.record.attempts, record_after_cancel(c)) for p, c in self._running.items()}
        self._exclusion.set_running(self.name, 0)
        self._reading = None
        self._waiting.clear()
        self._calls.clear()
        self._running.clear()
        await self._store.close(left)
