"""Effects outside at work: events in, calls of the domain's async functions out, each at least once.

Calls run side by side and end in any order. The checkpoint stands before the oldest that is still under way,
so whatever ends this process, none is forgotten; what is done ahead of it is remembered, and not called
again. A call that fails is tried again after a pause that grows; out of attempts it is a dead letter, stored
before the checkpoint passes it. How far calls run ahead of the oldest is bounded.

    waiting ─► under way ─► done      under way ─► waiting …      under way ─► dead letter

An attempt is stored before it begins, and counts though it ends the process. Who takes over finds such a call
as under way: it is called before all else, alone, or is a dead letter when it has no attempts left. One task
does all the writing, a statement for each turn, through the connection that holds the effect's lock.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

from commander.domain import Domain, UndecodableEvent
from commander.domain.effects import EffectType
from commander.eventstore.database import Database
from commander.eventstore.locks import Lock, lock_key, sole_holder
from commander.eventstore.log.event_log import read_log
from commander.eventstore.reactions.calls import CallState, Ledger, Suspect, TriedCall
from commander.eventstore.records import RecordedEvent
from commander.streaming.effects.attempts import Backoff, CallExclusion, attempt
from commander.streaming.log.reading import LogReader
from commander.streaming.nats.connection import Nats
from commander.streaming.running import keep_running

logger = logging.getLogger("commander.effects")

_BATCH = 500
_PAUSE_SECONDS = 0.05
_AHEAD = 10
"""How many times as many calls as may run at once may be done ahead of the oldest (and a batch on top)."""
_ENDED = "the process that made the call ended while it ran"


@dataclass
class _Call:
    """A call that is to be made. before: how it stood before the attempt that is under way."""

    event: RecordedEvent
    instance: Any
    tried: TriedCall
    again: bool  # it was a dead letter
    before: TriedCall | None = None
    attempt: asyncio.Task[str | None] | None = None


class EffectRunner:
    """Runs one effect until its task is cancelled. company: the calls of all effects of this process."""

    def __init__(
        self,
        domain: Domain,
        database: Database,
        nats: Nats,
        effect: EffectType,
        backoff: Backoff | None = None,
        company: CallExclusion | None = None,
    ) -> None:
        self._domain = domain
        self._database = database
        self._nats = nats
        self._effect = effect
        self._backoff = backoff or Backoff()
        self._company = company or CallExclusion()
        self._ledger = Ledger(effect.name)
        self._reading: asyncio.Task[list[RecordedEvent]] | None = None
        self._calls: dict[int, _Call] = {}  # all that are to be made
        self._waiting: list[tuple[float, int]] = []  # of these, when each may begin: a heap
        self._begun: dict[int, _Call] = {}  # of these, what is under way

    @property
    def name(self) -> str:
        return self._effect.name

    @property
    def position(self) -> int:
        """What stands up to it is done."""
        return self._ledger.position

    async def run(self) -> None:
        await keep_running(self._hold, logger)

    async def _hold(self) -> None:
        holding = sole_holder(
            self._database,
            Lock.EFFECT,
            lock_key(self.name),
            f"commander effect {self.name}",
            durable=False,  # see eventstore/calls.py
        )
        reader = LogReader(self._database, self._nats, pause_seconds=_PAUSE_SECONDS)
        async with holding as connection, reader as log:
            try:
                suspects = await self._ledger.open(connection)
                logger.info("effect %s goes on from position %d", self.name, self.position)
                for suspect in suspects:
                    await self._try_alone(suspect)
                while True:
                    await self._wait(log)
                    await self._step()
            finally:
                await self._abandon()

    async def _try_alone(self, suspect: Suspect) -> None:
        """Calls what may have ended its process while nothing else is called in this one, or sets it aside.

        What ran beside others has one more attempt though it is out of them: it may have been another.
        """
        tried = suspect.tried
        [event] = await read_log(self._database, tried.position - 1, tried.position, 1)
        call = await self._call(event, tried, again=suspect.again) if self._takes(event) else None
        if call is None:
            await self._ledger.forget(tried.position)
        elif suspect.alone and tried.attempts >= self._effect.attempts:
            await self._set_aside(call.tried, _ENDED, again=suspect.again)
        else:
            logger.warning("effect %s at position %d is called alone: %s", self.name, tried.position, _ENDED)
            async with self._company.alone():
                self._count(call, CallState.ALONE)
                await self._save()
                await asyncio.wait([self._start(call)])
                await self._settle(call)
                await self._save()

    async def _wait(self, log: LogReader) -> None:
        """Until there are events, an attempt has ended, or one is due."""
        full = len(self._calls) + self._ledger.ahead >= self._effect.concurrency * _AHEAD
        if self._reading is None and not full:
            self._reading = asyncio.create_task(log.after(self._ledger.read, _BATCH))
        attempts = [call.attempt for call in self._begun.values()]
        waited: set[asyncio.Future[Any]] = {
            one for one in (self._reading, self._company.closed, *attempts) if one is not None
        }
        pause = None
        if self._waiting and self._company.closed is None and len(self._begun) < self._effect.concurrency:
            pause = max(0.0, self._waiting[0][0] - asyncio.get_running_loop().time())
        if waited:
            await asyncio.wait(waited, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(pause or 0)

    async def _step(self) -> None:
        """Takes in what has ended and what has come, and begins what is due once all that is stored."""
        for call in list(self._begun.values()):
            if call.attempt is not None and call.attempt.done():
                await self._settle(call)
        if self._reading is not None and self._reading.done():
            reading, self._reading = self._reading, None
            for event in reading.result():
                await self._take(event)
            await self._take_again()
        begun = self._count_due()
        self._company.tell(self.name, len(self._begun))
        await self._save()
        for call in begun:
            self._start(call)

    async def _take(self, event: RecordedEvent) -> None:
        tried = self._ledger.take(event.position)
        if tried is None or event.position in self._calls:  # it may have been called alone
            return
        if not self._takes(event):
            if tried.attempts:  # it did, once
                self._ledger.passed(event.position)
        elif (call := await self._call(event, tried, again=False)) is not None:
            self._queue(call)

    async def _take_again(self) -> None:
        """Takes what somebody wants retried; such a call does not hold the checkpoint back."""
        for position in await self._ledger.to_retry(self._effect.concurrency):
            if position in self._calls:
                continue
            tried = self._ledger.take_again(position)
            [event] = await read_log(self._database, position - 1, position, 1)
            if not self._takes(event):
                await self._set_aside(tried, f"{self.name} takes no {event.type} any more", again=True)
            elif (call := await self._call(event, tried, again=True)) is not None:
                self._queue(call)

    def _takes(self, event: RecordedEvent) -> bool:
        type_ = self._domain.event_type(event.type)
        return type_ is not None and type_.cls in self._effect.events

    async def _call(self, event: RecordedEvent, tried: TriedCall, *, again: bool) -> _Call | None:
        """A call that is to be made. None for an event that cannot be read: a dead letter."""
        try:
            instance = self._domain.decode(event.type, event.schema_version, event.data, event.position)
        except UndecodableEvent as error:
            await self._set_aside(tried, str(error), again=again)
            return None
        call = self._calls[event.position] = _Call(event, instance, tried, again)
        return call

    def _queue(self, call: _Call) -> None:
        """It may begin at once, or after a pause; one that a restart cut short begins anew."""
        pause = self._backoff.after(call.tried.attempts) if call.tried.attempts else 0
        heappush(self._waiting, (asyncio.get_running_loop().time() + pause, call.event.position))

    def _count_due(self) -> list[_Call]:
        """Counts an attempt at each call whose turn it is, as many as may run."""
        due: list[_Call] = []
        if self._company.closed is not None:
            return due
        now = asyncio.get_running_loop().time()
        while self._waiting and self._waiting[0][0] <= now and len(self._begun) < self._effect.concurrency:
            call = self._calls[heappop(self._waiting)[1]]
            self._count(call, CallState.RUNNING)
            due.append(call)
        return due

    def _count(self, call: _Call, state: CallState) -> None:
        call.before, call.tried = call.tried, self._ledger.count(call.tried, state)
        self._begun[call.event.position] = call

    def _start(self, call: _Call) -> asyncio.Task[str | None]:
        """Makes the call, whose attempt is stored by now."""
        making = attempt(self._effect, call.event, call.instance, call.tried.attempts)
        call.attempt = asyncio.create_task(making)
        return call.attempt

    async def _settle(self, call: _Call) -> None:
        """Takes in how an attempt has ended."""
        assert call.attempt is not None, "it was started"
        error, position = call.attempt.result(), call.event.position
        del self._begun[position]
        call.attempt = call.before = None
        if error is None:
            del self._calls[position]
            await self._ledger.done(call.tried, again=call.again)
            return
        logger.warning("effect %s at position %d: %s", self.name, position, error)
        if call.tried.attempts >= self._effect.attempts:
            await self._set_aside(call.tried, error, again=call.again)
        else:
            call.tried = self._ledger.failed(call.tried)
            self._queue(call)

    async def _set_aside(self, tried: TriedCall, error: str, *, again: bool) -> None:
        logger.error("effect %s at position %d is a dead letter", self.name, tried.position)
        self._calls.pop(tried.position, None)
        await self._ledger.set_aside(tried, error, again=again)

    async def _save(self) -> None:
        """Stores how calls stand, and moves the checkpoint to before the oldest."""
        oldest = min((p for p, call in self._calls.items() if not call.again), default=None)
        await self._ledger.save(oldest, self._calls.keys())

    async def _abandon(self) -> None:
        """Leaves no call under way; what is cancelled has its attempt back, if Postgres still hears it."""
        tasks = [self._reading, *(call.attempt for call in self._begun.values())]
        under_way = [task for task in tasks if task is not None]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        left = {p: (c.tried.attempts, _left_as(c)) for p, c in self._begun.items()}
        self._company.tell(self.name, 0)
        self._reading = None
        self._waiting.clear()
        self._calls.clear()
        self._begun.clear()
        await self._ledger.close(left)


def _left_as(call: _Call) -> TriedCall:
    """How a call stands that is left: done, if that came first, or as before this attempt."""
    assert call.before is not None, "it was under way"
    attempt = call.attempt
    if attempt is None or attempt.cancelled() or attempt.result() is not None or call.again:
        return call.before
    return call.tried._replace(state=CallState.DONE)
