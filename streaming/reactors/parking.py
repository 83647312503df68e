"""The parked keys of a reactor's partitions, and their retries.

The log is the queue of a parked key. A retry reads the log again from the failing event up to the checkpoint
of the key's partition, and handles the events of this key alone, page by page. Between two pages the other
keys go on. When the key has caught up, it is no longer parked, and its events are handled with all others.

Why a reaction is not repeated: the state of the key and the position up to which it is handled commit
together. A crash before that repeats a page, whose commands then find their first outcomes.

The deadlines of a parked key wait too. Otherwise one would be sent although the event that cancels it is in
the log.

A retry can end its process, as a new event can. It is marked (eventstore/handling.py), and the next process
goes on event by event. An event that ends it once more is parked again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from functools import partial

from commander.domain import Domain, ReactorType
from commander.eventstore.batches import BATCH_BYTES, may_be_cut
from commander.eventstore.database import Connection, Database
from commander.eventstore.handling import begin_handling, end_handling, mark_handling
from commander.eventstore.log.ranges import read_log
from commander.eventstore.reactions.parked import (
    RETRYING,
    Failure,
    ParkedKey,
    count_parked,
    parked_keys,
    retry_other_code,
    skipped_positions,
)
from commander.eventstore.reactions.reactors import Checkpoint, load_states, save_retry
from commander.eventstore.records import EventFilter, RecordedEvent
from commander.streaming.commands.pending_by_id import unschedule
from commander.streaming.commands.submitting import Submitter
from commander.streaming.handling import HandlingRun
from commander.streaming.nats.connection import Nats
from commander.streaming.reactors.reactions import Parked, Reacted, Reacting

logger = logging.getLogger("commander.reactors")

_POLL_SECONDS = 0.5
_TURN_SECONDS = 0.25
"""How long retries run before the other keys get their turn."""
_LEFT_SECONDS = 5.0
"""The pause before a retry that needs newer code is tried again. By then another process may own the key."""
_BATCH = 500
_MOST_POSITIONS = 20_000
"""The maximum of positions that are searched at once for the events of a key."""


class Parking:
    """The parked keys of the partitions that this process owns. most: the maximum of parked keys.

    run: that of this process. fatal: see Parked.
    """

    def __init__(
        self,
        domain: Domain,
        database: Database,
        nats: Nats,
        submitter: Submitter,
        reactor: ReactorType,
        reacting: Reacting,
        most: int,
        run: HandlingRun,
    ) -> None:
        self._run = run
        self._alone_until: dict[str, int] = {}
        self.fatal: set[int] = set()
        self._domain = domain
        self._database = database
        self._nats = nats
        self._submitter = submitter
        self._reactor = reactor
        self._reacting = reacting
        self._most = most
        self._keys: dict[str, ParkedKey] = {}
        self._skipped: frozenset[int] = frozenset()
        self._poll_at = 0.0

    @property
    def keys(self) -> Collection[str]:
        """The parked keys."""
        return self._keys.keys()

    @property
    def summary(self) -> str | None:
        """How many keys are parked, and why the first one is; None if none is."""
        if not self._keys:
            return None
        first = min(self._keys.values(), key=lambda one: one.position)
        count = f"{len(self._keys)} parked key" + ("s" if len(self._keys) > 1 else "")
        return f"{count}; {first.key} failed at position {first.position}: {first.error}"

    async def begin(self, connection: Connection, partitions: Collection[int]) -> None:
        """Begins with partitions that were taken. Retries their parked keys that failed with other code."""
        await self._read(connection, partitions)
        if self._keys:
            name, fingerprint = self._reactor.name, self._domain.fingerprint_of(self._reactor)
            retried = await retry_other_code(connection, name, partitions, fingerprint)
            if retried:
                logger.info("reactor %s: its code has changed; retrying %d keys", name, retried)
            await self._begin_retries(connection)
        self._skipped = await skipped_positions(connection, self._reactor.name)
        self._poll_at = 0.0

    def keep(self, partitions: Collection[int]) -> None:
        """Forgets the parked keys of other partitions."""
        self._keys = {key: one for key, one in self._keys.items() if one.partition in partitions}

    def state(self, connection: Connection) -> Parked:
        """What a reaction must know of the parked keys."""
        handled = {key: one.handled for key, one in self._keys.items()}
        count = partial(count_parked, connection, self._reactor.name)
        return Parked(handled, self._skipped, self._most, count, self.fatal)

    async def parked(self, connection: Connection, failures: Mapping[str, Failure]) -> None:
        """Takes note of keys that were parked just now. Their deadlines wait from now on."""
        if not failures:
            return
        self.fatal -= {one.position for one in failures.values()}  # a retry tries them again
        for one in failures.values():
            text = "reactor %s failed at position %d; its key %s is parked: %s\n%s"
            logger.error(text, self._reactor.name, one.position, one.key, one.error, one.traceback)
        await self._read(connection, {one.partition for one in failures.values()})
        if self._reactor.key is not None:
            states = await load_states(connection, self._reactor.name, failures)
            await unschedule(self._nats, (d for state in states.values() for d in state.deadlines))

    async def _begin_retries(self, connection: Connection) -> None:
        """Finds the retries whose process has died. They go on event by event, or without the cause."""
        retries = {self._handler(one): one for one in self._keys.values() if one.state == RETRYING}
        left = await begin_handling(connection, list(retries), self._run.id)
        for handler, found in left.items():
            key, handled, _, cause = retries[handler].key, retries[handler].handled, *found
            if cause is not None and found.deaths_now(handled) > 1:
                self.fatal.add(cause)
            elif cause is not None:
                self._alone_until[key] = cause

    def _handler(self, parked: ParkedKey) -> str:
        """The name under which the retry of a key is marked."""
        return f"reactor {self._reactor.name} key {parked.key}"

    async def retry(self, connection: Connection, checkpoints: Mapping[int, Checkpoint]) -> None:
        """Goes on with the retries that somebody has requested, for a moment. Raises Unavailable."""
        loop = asyncio.get_running_loop()
        if not self._keys or loop.time() < self._poll_at:
            return
        await self._read(connection, checkpoints)
        until = loop.time() + _TURN_SECONDS
        pause_seconds = _POLL_SECONDS
        due = [one.key for one in self._keys.values() if one.state == RETRYING]
        for key in due:
            while (one := self._keys.get(key)) is not None and one.state == RETRYING:
                if checkpoints[one.partition].is_rebuilding:
                    break
                if loop.time() >= until:
                    return  # the next turn goes on, without a pause
                if not await self._retry_page(connection, one, checkpoints[one.partition].position):
                    pause_seconds = _LEFT_SECONDS
                    break
        self._poll_at = loop.time() + pause_seconds

    async def _retry_page(self, connection: Connection, parked: ParkedKey, checkpoint: int) -> bool:
        """Handles the next events of a key, up to the checkpoint of its partition.

        Returns False if the next event is left to a process with newer code.
        """
        name, key = self._reactor.name, parked.key
        end = min(parked.handled + _MOST_POSITIONS, checkpoint)
        alone = parked.handled < self._alone_until.get(key, 0)
        limit = 1 if alone else _BATCH
        where = self._filter(key)
        events = await read_log(self._database, parked.handled, end, limit, where, max_bytes=BATCH_BYTES)
        if may_be_cut(events, limit):
            end = events[-1].position
        async with self._run.alone() if alone else self._run.together():
            await mark_handling(connection, [self._handler(parked)], self._run.id, int(alone), end)
            try:
                reactions, stopped, failures = await self._react(connection, events, parked)
            finally:
                await end_handling(connection, [self._handler(parked)], self._run.id)
        failure = failures.get(key)
        left = failure is None and parked.partition in stopped and stopped[parked.partition].unknown
        if left:
            end = stopped[parked.partition].position - 1
        elif failure is None and parked.partition in stopped:
            position, reason, _ = stopped[parked.partition]
            type_ = next(event.type for event in events if event.position == position)
            failure = Failure(
                *(key, parked.partition, position, position - 1, max(parked.sent, position - 1), type_),
                *(reason, "", self._domain.fingerprint_of(self._reactor)),
            )
        sent = await self._submitter.submit_all(reactions.to_send({key}))
        await unschedule(self._nats, reactions.cancelled.values())
        caught_up = failure is None and not left and end >= checkpoint
        await save_retry(
            connection, name, key, reactions.changed, end, failure, caught_up=caught_up, sent=sent
        )
        if failure is not None:
            await self.parked(connection, {key: failure})
        elif caught_up:
            del self._keys[key]
            logger.info("reactor %s: the key %s has caught up at position %d", name, key, end)
            states = {} if self._reactor.key is None else await load_states(connection, name, [key])
            await asyncio.gather(*(self._submitter.submit(d) for s in states.values() for d in s.deadlines))
        else:
            self._keys[key] = parked._replace(handled=end, sent=max(parked.sent, end))
        return not left

    async def _react(
        self, connection: Connection, events: Sequence[RecordedEvent], parked: ParkedKey
    ) -> Reacted:
        before = {parked.partition: Checkpoint(parked.sent, parked.handled)}
        every = Parked({}, self._skipped, most=1, fatal=self.fatal)
        return await self._reacting.to(connection, events, before, every, only=parked.key)

    def _filter(self, key: str) -> EventFilter | None:
        """The events among which are those of a key. A reactor without a key parks streams.

        A type that this code does not know is read too: it may be one that newer code handles.
        """
        return EventFilter(streams=frozenset({key})) if self._reactor.key is None else None

    async def _read(self, connection: Connection, partitions: Collection[int]) -> None:
        """Reads the parked keys of these partitions again."""
        found = await parked_keys(connection, self._reactor.name, partitions)
        others = {key: one for key, one in self._keys.items() if one.partition not in partitions}
        self._keys = others | {one.key: one for one in found}
