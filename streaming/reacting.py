"""Reactors at work: events in, commands out, each reaction once.

A reaction's command id derives from reactor, position and index. The checkpoint is saved after the commands
are durable, so a crash in between repeats the reaction, whose commands then find their first outcome. What
a reactor remembers is saved with the checkpoint; all of one reactor's events are taken by one task in the
order of the log, so each key's are.

    waiting for the lock ─► making its states again ─► following ─► waiting …

The states are made again from the log, with commands muted, where the checkpoint is ahead of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from commander.domain import Domain, ReactorType
from eventstore.checkpoints import save_reactor_error
from eventstore.database import Connection, Database
from eventstore.locks import Lock, lock_key, sole_holder
from eventstore.reactors import Checkpoint, reactor_checkpoint, save_reactor, states_with_deadlines
from eventstore.records import RecordedEvent
from streaming.connection import Nats
from streaming.queued import unschedule
from streaming.reactions import Reacting
from streaming.reading import LogReader
from streaming.replaying import ReplayStopped, replayed
from streaming.running import keep_running
from streaming.submitting import Submitter

logger = logging.getLogger("commander.reactors")

_PAUSE_SECONDS = 0.01
_BATCH = 500
_RETRY_FAILED_SECONDS = 5.0


class ReactorRunner:
    """Runs one reactor until its task is cancelled. It stops before an event that it fails on."""

    def __init__(
        self, domain: Domain, database: Database, nats: Nats, submitter: Submitter, reactor: ReactorType
    ) -> None:
        self._database = database
        self._nats = nats
        self._submitter = submitter
        self._reactor = reactor
        self._reacting = Reacting(domain, database, reactor)
        self.failure: str | None = None
        self.position = 0

    @property
    def name(self) -> str:
        return self._reactor.name

    async def run(self) -> None:
        await keep_running(self._hold, logger)

    async def _hold(self) -> None:
        application = f"commander reactor {self.name}"
        async with (
            sole_holder(
                self._database, Lock.REACTOR, lock_key(self.name), application, durable=False
            ) as connection,
            LogReader(self._database, self._nats, pause_seconds=_PAUSE_SECONDS) as log,
        ):
            checkpoint = await reactor_checkpoint(connection, self.name)
            if self._reactor.key is not None:
                await self._make_states(connection, checkpoint)
                await self._send_deadlines(connection)
            self.position = checkpoint.position
            logger.info("reactor %s goes on from position %d", self.name, self.position)
            while True:
                await self._follow(connection, await log.after(self.position, _BATCH))

    async def _make_states(self, connection: Connection, checkpoint: Checkpoint) -> None:
        """Folds what the states lack of what the reactor has reacted to, without reacting again."""
        self.position = checkpoint.folded
        while self.position < checkpoint.position:
            logger.info("reactor %s makes its states again, from position %d", self.name, self.position)
            begin = Checkpoint(checkpoint.position, self.position)
            try:
                async for position in replayed(connection, self._database, self._reacting, begin):
                    self.position = position
            except ReplayStopped as stopped:
                await self._stop_at(connection, stopped.position, stopped.reason)

    async def _send_deadlines(self, connection: Connection) -> None:
        """Sends the deadlines that stand, for NATS may be another than it was; what it knows it has once."""
        async for stored in states_with_deadlines(connection, self.name):
            await asyncio.gather(*map(self._submitter.submit, stored.deadlines))

    async def _follow(self, connection: Connection, events: Sequence[RecordedEvent]) -> None:
        if not events:
            return
        reactions, failed = await self._reacting.to(connection, events)
        await asyncio.gather(*map(self._submitter.submit, reactions.commands))
        await unschedule(self._nats, reactions.taken_back.values())
        position = events[-1].position if failed is None else failed.position - 1
        await save_reactor(connection, self.name, position, reactions.changed)
        self.position = position
        if failed is not None:
            await self._stop_at(connection, *failed)
            return
        self.failure = None

    async def _stop_at(self, connection: Connection, position: int, reason: str) -> None:
        if reason != self.failure:
            logger.error("reactor %s failed at position %d: %s", self.name, position, reason)
        await save_reactor_error(connection, self.name, position, reason)
        self.failure = reason
        await asyncio.sleep(_RETRY_FAILED_SECONDS)
