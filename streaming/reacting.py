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
from typing import Any

from commander.domain import Domain, ReactionRejected, ReactorType
from commander.domain.domain import REACTION_REJECTED
from commander.domain.reactors import RecordedRejection
from eventstore.causation import Depths
from eventstore.checkpoints import save_reactor_error
from eventstore.database import Connection, Database
from eventstore.locks import Lock, lock_key, sole_holder
from eventstore.log import read_log
from eventstore.outcomes import outcome_of
from eventstore.reactors import load_states, reactor_checkpoint, save_reactor, states_with_deadlines
from eventstore.records import RecordedEvent
from streaming.connection import Nats
from streaming.queued import unschedule
from streaming.reactions import Reactions
from streaming.reading import LogReader
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
        self._domain = domain
        self._database = database
        self._nats = nats
        self._submitter = submitter
        self._reactor = reactor
        self._depths = Depths()
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
                await self._make_states(connection, checkpoint.folded, checkpoint.position)
                await self._send_deadlines(connection)
            self.position = checkpoint.position
            logger.info("reactor %s goes on from position %d", self.name, self.position)
            while True:
                await self._follow(connection, await log.after(self.position, _BATCH))

    async def _make_states(self, connection: Connection, folded: int, up_to: int) -> None:
        """Folds what the states lack of what the reactor has reacted to, without reacting again."""
        if folded < up_to:
            logger.info("reactor %s makes its states again, from position %d", self.name, folded)
        self.position = folded
        while self.position < up_to:
            events = await read_log(self._database, self.position, up_to, _BATCH)
            await self._follow(connection, events, muted=True)

    async def _send_deadlines(self, connection: Connection) -> None:
        """Sends the deadlines that stand, for NATS may be another than it was; what it knows it has once."""
        async for stored in states_with_deadlines(connection, self.name):
            await asyncio.gather(*map(self._submitter.submit, stored.deadlines))

    async def _follow(
        self, connection: Connection, events: Sequence[RecordedEvent], *, muted: bool = False
    ) -> None:
        if not events:
            return
        reactions, failed = await self._react(connection, events)
        if not muted:
            await asyncio.gather(*map(self._submitter.submit, reactions.commands))
            await unschedule(self._nats, reactions.taken_back)
        position = events[-1].position if failed is None else failed[0] - 1
        await save_reactor(connection, self.name, position, reactions.changed, folded_only=muted)
        self.position = position
        if failed is not None:
            await self._stop_at(connection, *failed)
            return
        self.failure = None

    async def _react(
        self, connection: Connection, events: Sequence[RecordedEvent]
    ) -> tuple[Reactions, tuple[int, str] | None]:
        """The reactions to these events, up to one that the domain's code fails on: its position, and how."""
        taken: list[tuple[RecordedEvent, Any]] = []
        failed: tuple[int, str] | None = None
        for event in events:
            try:
                trigger = await self._trigger(event)
            except Exception as error:  # whatever the domain's code raises stops this reactor alone
                failed = event.position, f"{type(error).__name__}: {error}"
                break
            if trigger is not None:
                taken.append((event, trigger))
        keyed = self._reactor.key is not None
        keys = {key for _, trigger in taken if keyed and (key := self._reactor.key_of(trigger)) is not None}
        states = await load_states(connection, self.name, keys) if keys else {}
        reactions = Reactions(self._domain, self._reactor, states)
        for event, trigger in taken:
            depth = await self._depths.of(connection, event)
            try:
                reactions.add(event, trigger, depth)
            except Exception as error:  # as above
                return reactions, (event.position, f"{type(error).__name__}: {error}")
        return reactions, failed

    async def _stop_at(self, connection: Connection, position: int, reason: str) -> None:
        if reason != self.failure:
            logger.error("reactor %s failed at position %d: %s", self.name, position, reason)
        await save_reactor_error(connection, self.name, position, reason)
        self.failure = reason
        await asyncio.sleep(_RETRY_FAILED_SECONDS)

    async def _trigger(self, event: RecordedEvent) -> Any | None:
        """The event as the reactor takes it; None if it takes no interest."""
        if event.type == REACTION_REJECTED:
            return await self._rejection(event)
        type_ = self._domain.events.get(event.type)
        if type_ is None or not self._reactor.takes(type_.cls):
            return None
        return self._domain.decode(event.type, event.schema_version, event.data, event.position)

    async def _rejection(self, event: RecordedEvent) -> ReactionRejected[Any] | None:
        recorded = self._domain.decode(event.type, event.schema_version, event.data, event.position)
        assert isinstance(recorded, RecordedRejection)
        type_ = self._domain.commands.get(recorded.command_type)
        if recorded.reactor != self.name or type_ is None or type_.cls not in self._reactor.rejections:
            return None
        outcome = await outcome_of(self._database, event.command_id)
        assert outcome is not None, "a rejection is stored with its outcome"
        return ReactionRejected(type_.decode(outcome.data), recorded.code, recorded.message)
