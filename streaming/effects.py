"""Effects outside at work: events in, calls of the domain's async functions out, each at least once.

Calls run side by side and end in any order. The checkpoint stands before the oldest that is still under way,
so whatever ends this process, none is forgotten: those behind the checkpoint are called again, with the same
key. A call that fails is tried again after a pause that grows; out of attempts it is a dead letter, stored
before the checkpoint passes it. How far calls run ahead of the oldest is bounded, and so is what comes twice.

    called ─► done      called ─► waiting ─► called …     called ─► dead letter
"""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass
from itertools import count

from commander.domain import Domain, UndecodableEvent
from commander.domain.effects import EffectCall, EffectType
from eventstore.database import Connection, Database
from eventstore.effects import (
    begin_effect,
    effects_to_retry,
    record_effect_done,
    record_effect_failure,
    save_effect,
    settled_effects,
)
from eventstore.locks import Lock, lock_key, sole_holder
from eventstore.log import read_log
from eventstore.records import RecordedEvent
from streaming.connection import Nats
from streaming.reading import LogReader
from streaming.running import keep_running
from streaming.tracing import SpanKind, span

logger = logging.getLogger("commander.effects")

_BATCH = 500
_PAUSE_SECONDS = 0.05
_AHEAD = 10
"""How many times as many calls as may run at once may be done ahead of the oldest (and a batch on top)."""


@dataclass(frozen=True)
class Backoff:
    """How long to wait before another attempt: doubled each time, and anywhere in its upper half.

    So those that failed at once do not come again at once.
    """

    first_seconds: float = 0.5
    most_seconds: float = 60

    def after(self, attempt: int) -> float:
        full = min(self.most_seconds, self.first_seconds * 2.0 ** min(attempt - 1, 30))
        return random.uniform(full / 2, full)


@dataclass(frozen=True)
class _Ended:
    """error: None for a call that succeeded."""

    attempts: int
    error: str | None = None


class EffectRunner:
    """Runs one effect until its task is cancelled. position: what stands up to it is done."""

    def __init__(
        self,
        domain: Domain,
        database: Database,
        nats: Nats,
        effect: EffectType,
        backoff: Backoff = Backoff(),  # it is frozen
    ) -> None:
        self._domain = domain
        self._database = database
        self._nats = nats
        self._effect = effect
        self._backoff = backoff
        self._slots = asyncio.Semaphore(effect.concurrency)
        self._calls: dict[int, asyncio.Task[_Ended]] = {}
        self._ahead: set[int] = set()  # done, but an older one is not
        self._again: set[int] = set()  # of those under way, what was a dead letter
        self._settled: set[int] = set()  # dead letters that the checkpoint had not passed
        self._read = 0
        self.position = 0

    @property
    def name(self) -> str:
        return self._effect.name

    async def run(self) -> None:
        await keep_running(self._hold, logger)

    async def _hold(self) -> None:
        application = f"commander effect {self.name}"
        async with (
            sole_holder(self._database, Lock.EFFECT, lock_key(self.name), application) as connection,
            LogReader(self._database, self._nats, pause_seconds=_PAUSE_SECONDS) as log,
        ):
            self.position = self._read = await begin_effect(connection, self.name)
            self._settled = await settled_effects(connection, self.name, self.position)
            logger.info("effect %s goes on from position %d", self.name, self.position)
            reading = asyncio.create_task(log.after(self._read, _BATCH))
            try:
                while True:
                    reading = await self._step(connection, log, reading)
            finally:
                await self._abandon(reading)

    async def _step(
        self, connection: Connection, log: LogReader, reading: asyncio.Task[list[RecordedEvent]]
    ) -> asyncio.Task[list[RecordedEvent]]:
        """Waits for events or for the end of a call; begins what has come, records what has ended."""
        full = len(self._calls) + len(self._ahead) >= self._effect.concurrency * _AHEAD
        waited = set(self._calls.values()) if full else {reading, *self._calls.values()}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        for position in [position for position, call in self._calls.items() if call.done()]:
            await self._settle(connection, position, self._calls.pop(position).result())
        if not full and reading.done():
            events = reading.result()
            for event in events:
                self._begin(event)
                self._read = event.position
            await self._begin_again(connection)
            reading = asyncio.create_task(log.after(self._read, _BATCH))
        await self._save(connection)
        return reading

    def _begin(self, event: RecordedEvent, *, again: bool = False) -> None:
        type_ = self._domain.event_type(event.type)
        if type_ is None or type_.cls not in self._effect.events:
            return
        if again:
            self._again.add(event.position)
        elif event.position in self._settled:
            return
        self._calls[event.position] = asyncio.create_task(self._called(event))

    async def _begin_again(self, connection: Connection) -> None:
        """Calls what somebody wants retried; such a call does not hold the checkpoint back."""
        for position in await effects_to_retry(connection, self.name, self._effect.concurrency):
            if position not in self._calls:
                for event in await read_log(self._database, position - 1, position, 1):
                    self._begin(event, again=True)

    async def _called(self, event: RecordedEvent) -> _Ended:
        """Calls until it succeeds or is out of attempts. Raises nothing of the author's."""
        try:
            instance = self._domain.decode(event.type, event.schema_version, event.data, event.position)
        except UndecodableEvent as error:
            return _Ended(0, str(error))
        for attempt in count(1):
            call = EffectCall(
                self._effect.key(event.position),
                event.position,
                event.stream,
                event.recorded_at,
                event.correlation_id,
                attempt,
            )
            try:
                async with self._slots:
                    with span(f"effect {self.name}", event.traceparent, SpanKind.CONSUMER):
                        async with asyncio.timeout(self._effect.timeout_seconds):
                            await self._effect.call(instance, call)
                return _Ended(attempt)
            except Exception as error:  # the author's code may raise anything
                reason = f"{type(error).__name__}: {error}".replace("\0", "")
                logger.warning("effect %s at position %d: %s", self.name, event.position, reason)
                if attempt >= self._effect.attempts:
                    return _Ended(attempt, reason)
            await asyncio.sleep(self._backoff.after(attempt))
        raise AssertionError("count() does not end")

    async def _settle(self, connection: Connection, position: int, ended: _Ended) -> None:
        again = position in self._again
        self._again.discard(position)
        if ended.error is not None:
            logger.error("effect %s at position %d is a dead letter", self.name, position)
            await record_effect_failure(connection, self.name, position, ended.attempts, ended.error)
        elif again:
            await record_effect_done(connection, self.name, position)
        if not again:
            self._ahead.add(position)

    async def _save(self, connection: Connection) -> None:
        """Moves the checkpoint to before the oldest call under way."""
        first_calls = self._calls.keys() - self._again
        reached = min(first_calls) - 1 if first_calls else self._read
        self._ahead = {position for position in self._ahead if position > reached}
        if reached > self.position:
            await save_effect(connection, self.name, reached)
            self.position = reached

    async def _abandon(self, reading: asyncio.Task[list[RecordedEvent]]) -> None:
        """Leaves no call behind: what was not recorded is called again, here or elsewhere."""
        tasks = [reading, *self._calls.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._calls.clear()
        self._ahead.clear()
        self._again.clear()
