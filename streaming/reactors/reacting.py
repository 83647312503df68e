"""Runs a reactor: it reads events and sends commands. Each reaction takes effect once.

The command ids of a reaction derive from reactor, position and index. The checkpoint is stored after the
commands are durable. A crash in between repeats the reaction, whose commands then find their first outcome.
The states are stored with the checkpoint.

A reactor's keys (without a key: its events' streams) are spread over partitions. The processes that run the
reactor share them. The owner of a partition handles its events in the order of the log, and so those of each
key. The connection that holds the partition's lock also writes. So no process can store for a partition that
it has lost.

    waiting ─► owning partitions ─► waiting …

    a partition:  rebuilding its states ─► following ─► stopped before an event ─► following …
                                            following ─► left to newer code, before an event that it knows

If the domain's code fails on an event, the event's key is parked (parking.py) and the partition goes on. A
partition stops only before an event that cannot be read, and when too many keys are parked.

If the checkpoint is ahead of the states, they are rebuilt from the log without sending commands.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from commander.domain import Domain, ReactorType
from commander.domain.errors import Unavailable
from commander.eventstore.database import Connection, Database
from commander.eventstore.handling import Left
from commander.eventstore.reactions.reactors import (
    Checkpoint,
    reactor_checkpoints,
    save_reactor,
    save_reactor_error,
    states_with_deadlines,
)
from commander.eventstore.reactions.state_code import states_are_of
from commander.eventstore.records import RecordedEvent
from commander.eventstore.sharing import Refusal
from commander.streaming.commands.pending_by_id import unschedule
from commander.streaming.commands.submitting import Submitter
from commander.streaming.handling import HandlingRun
from commander.streaming.log.reading import LogReader
from commander.streaming.nats.connection import Nats
from commander.streaming.reactors.parking import Parking
from commander.streaming.reactors.quarantine import ReactorLeases, handle_possible_causes, possible_causes_of
from commander.streaming.reactors.reactions import Reacting, ReactionFailed
from commander.streaming.running import keep_running

logger = logging.getLogger("commander.reactors")

_PAUSE_SECONDS = 0.01
_BATCH = 500
_REBALANCE_SECONDS = 1.0
_RETRY_FAILED_SECONDS = 5.0


class ReactorRunner:
    """Runs this process's partitions of one reactor until its task is cancelled.

    most_parked: the maximum of parked keys of the reactor, in all processes. run: that of this process. A
    partition that stops before an event tries it again every few seconds.
    """

    def __init__(
        self,
        domain: Domain,
        database: Database,
        nats: Nats,
        submitter: Submitter,
        reactor: ReactorType,
        most_parked: int = 100,
        run: HandlingRun | None = None,
    ) -> None:
        self._run = run or HandlingRun()
        self._code = domain.code
        self._database = database
        self._nats = nats
        self._submitter = submitter
        self._reactor = reactor
        self._reacting = Reacting(domain, database, reactor, submitter.partitions, nats.clock)
        self._parking = Parking(
            *(domain, database, nats, submitter, reactor, self._reacting, most_parked, self._run)
        )
        self._checkpoints: dict[int, Checkpoint] = {}
        self._failures: dict[int, ReactionFailed] = {}
        self._stopped_until: dict[int, float] = {}
        self._waiting: Sequence[Refusal] = ()
        self._stream_created: datetime | None = None  # of the COMMANDS that has the deadlines
        self._fingerprint = None if reactor.key is None else domain.fingerprint_of(reactor)

    @property
    def name(self) -> str:
        return self._reactor.name

    @property
    def owned(self) -> list[int]:
        """The partitions that this process owns now."""
        return sorted(self._checkpoints)

    @property
    def failure(self) -> str | None:
        """Why the partition that stopped at the lowest position has stopped; None if none has.

        Else why a partition waits that no process with this reactor can go on in, or which keys are parked.
        """
        if self._failures:
            return min(self._failures.values()).reason
        if self._waiting:
            first = min(self._waiting, key=lambda refusal: refusal.position or 0)
            remedy = "start the part reactors with code that knows it, or: commander processors forget CODE"
            return f"{first.needs}; no code that runs does; {remedy}"
        return self._parking.summary

    async def run(self) -> None:
        """Runs until cancelled. While a server is unreachable it retries."""
        await keep_running(self._share, logger)

    async def _share(self) -> None:
        self._nats.must_be_connected()  # a process without NATS leaves the partitions to others
        partitions = self._submitter.partitions
        async with (
            ReactorLeases(self._database, partitions, self.name, self._code, self._run) as leases,
            LogReader(self._database, self._nats, pause_seconds=_PAUSE_SECONDS) as log,
        ):
            try:
                while True:
                    await leases.rebalance()
                    self._keep(leases.owned)
                    self._waiting = leases.waiting
                    if not leases.owned:
                        await asyncio.sleep(_REBALANCE_SECONDS)
                        continue
                    await self._react_until_rebalanced(leases, log)
            finally:
                self._checkpoints.clear()

    def _keep(self, owned: Collection[int]) -> None:
        """Keeps what is known of the partitions that stay owned: nobody else has moved them."""
        kept = self._checkpoints.keys() & owned
        known: tuple[dict[int, Any], ...] = (self._checkpoints, self._failures, self._stopped_until)
        for by_partition in known:
            for partition in by_partition.keys() - kept:
                del by_partition[partition]
        self._parking.keep(kept)

    async def _react_until_rebalanced(self, leases: ReactorLeases, log: LogReader) -> None:
        taken = [p for p in leases.owned if p not in self._checkpoints]
        await self._begin(leases.connection, taken)
        await self._handle_possible_causes(leases, await leases.begin(taken))
        loop = asyncio.get_running_loop()
        rebalance_at = loop.time() + _REBALANCE_SECONDS
        while True:
            active = self._active(loop.time())
            if active:
                after = min(self._checkpoints[partition].folded for partition in active)
                events = await log.after(after, _BATCH)
                async with self._run.together():
                    await self._follow(leases, active, events)
            else:
                await asyncio.sleep(_REBALANCE_SECONDS)
            await self._parking.retry(leases.connection, self._checkpoints)
            if loop.time() >= rebalance_at:
                changed = await leases.rebalance()
                self._waiting = leases.waiting
                if changed:
                    return
                await self._set_lost_deadlines(leases.connection)
                rebalance_at = loop.time() + _REBALANCE_SECONDS

    async def _begin(self, connection: Connection, taken: Collection[int]) -> None:
        """Begins with partitions that were taken, each at its checkpoint."""
        checkpoints = await reactor_checkpoints(connection, self.name, taken)
        if self._reactor.key is None:
            checkpoints = {p: at._replace(folded=at.position) for p, at in checkpoints.items()}
        self._checkpoints |= checkpoints
        owned, begin = ", ".join(map(str, self.owned)), min(at.position for at in self._checkpoints.values())
        logger.info("reactor %s: partitions %s, from position %d", self.name, owned, begin)
        if any(at.is_rebuilding for at in checkpoints.values()):
            logger.info("reactor %s rebuilds its states", self.name)
        await self._compare_code(connection)
        await self._parking.begin(connection, taken)
        await self._set_lost_deadlines(connection)
        await self._send_deadlines(connection, {p for p, at in checkpoints.items() if not at.is_rebuilding})

    async def _handle_possible_causes(self, leases: ReactorLeases, left: Mapping[int, Left]) -> None:
        """Handles the events that may have ended the process that owned partitions before."""

        def active() -> dict[int, int]:
            now = asyncio.get_running_loop().time()
            return {partition: self._checkpoints[partition].folded for partition in self._active(now)}

        for one in possible_causes_of(left, {p: at.folded for p, at in self._checkpoints.items()}):
            if one.fatal is not None:
                self._parking.fatal.add(one.fatal)
            await handle_possible_causes(
                *(self._database, leases, self._run, self.name, one, _BATCH, active),
                lambda partitions, events: self._follow(leases, partitions, events),
            )

    async def _compare_code(self, connection: Connection) -> None:
        """Warns once if other code made the states. They are kept: to fold them again is for an operator."""
        fingerprint, self._fingerprint = self._fingerprint, None
        if fingerprint is not None and not await states_are_of(connection, self.name, fingerprint):
            text = (
                "the states of the reactor %s were made by other code, and are kept; if this code folds them "
                "differently, stop the part reactors and run `commander reactors replay %s`"
            )
            logger.warning(text, self.name, self.name)

    def _active(self, now: float) -> set[int]:
        """The partitions that have not stopped, or whose retry is due."""
        return {partition for partition in self._checkpoints if self._stopped_until.get(partition, 0) <= now}

    async def _follow(
        self, leases: ReactorLeases, active: Collection[int], events: Sequence[RecordedEvent]
    ) -> None:
        """Reacts to these events and stores the result. A partition skips those that it has handled."""
        if not events:
            return
        connection = leases.connection
        before = {partition: self._checkpoints[partition] for partition in active}
        loop = asyncio.get_running_loop()
        began = loop.time()
        parked = self._parking.state(connection)
        reactions, stopped, failures = await self._reacting.to(connection, events, before, parked)
        took_seconds = loop.time() - began
        sent = await self._submitter.submit_all(reactions.to_send(failures))
        await unschedule(self._nats, reactions.cancelled.values())
        ends = {p: stopped[p].position - 1 if p in stopped else events[-1].position for p in active}
        moved = {partition: end for partition, end in ends.items() if end > before[partition].folded}
        await save_reactor(connection, self.name, moved, reactions.changed, tuple(failures.values()), sent)
        for partition, end in moved.items():
            self._checkpoints[partition] = Checkpoint(max(before[partition].position, end), end)
            self._failures.pop(partition, None)
        await self._parking.parked(connection, failures)
        rebuilt = {p for p in moved if before[p].is_rebuilding and not self._checkpoints[p].is_rebuilding}
        await self._send_deadlines(connection, rebuilt)
        for partition, failure in stopped.items():
            if failure.unknown:
                await self._leave(leases, partition, failure)
            else:
                pause_seconds = max(_RETRY_FAILED_SECONDS, 20 * took_seconds)
                await self._stop(connection, partition, failure, pause_seconds)

    async def _set_lost_deadlines(self, connection: Connection) -> None:
        """Submits all deadlines again if there is another stream COMMANDS."""
        if self._reactor.key is None:
            return
        with suppress(Unavailable):  # an idle reactor need not wait for NATS
            before, self._stream_created = self._stream_created, await self._submitter.stream_created()
            if before is not None and before != self._stream_created:
                known = self._checkpoints.items()
                await self._send_deadlines(connection, {p for p, at in known if not at.is_rebuilding})

    async def _send_deadlines(self, connection: Connection, partitions: Collection[int]) -> None:
        """Submits the stored deadlines again, because NATS may have lost them. A known one has no effect.

        Those of parked keys wait.
        """
        if self._reactor.key is None or not partitions:
            return
        async for key, stored in states_with_deadlines(connection, self.name):
            if self._reacting.partition_of(key) not in partitions:
                continue
            if key in self._parking.keys:
                await unschedule(self._nats, stored.deadlines)
            else:
                await asyncio.gather(*map(self._submitter.submit, stored.deadlines))

    async def _leave(self, leases: ReactorLeases, partition: int, failure: ReactionFailed) -> None:
        """Leaves a partition to a process whose code knows the event."""
        await save_reactor_error(leases.connection, self.name, partition, failure.position, failure.reason)
        await leases.refuse_event(partition, failure.position, failure.reason)
        del self._checkpoints[partition]
        self._failures.pop(partition, None)
        self._parking.keep(self._checkpoints.keys())

    async def _stop(
        self, connection: Connection, partition: int, failure: ReactionFailed, pause_seconds: float
    ) -> None:
        if failure not in self._failures.values():
            logger.error(
                "reactor %s stops before position %d: %s", self.name, failure.position, failure.reason
            )
        await save_reactor_error(connection, self.name, partition, failure.position, failure.reason)
        self._failures[partition] = failure
        self._stopped_until[partition] = asyncio.get_running_loop().time() + pause_seconds
