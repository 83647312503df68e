"""Reactors at work: events in, commands out, each reaction once.

A reaction's command id derives from reactor, position and index. The checkpoint is saved after the commands
are durable, so a crash in between repeats the reaction, whose commands then find their first outcome.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import msgspec

from commander.domain import Domain, ReactionRejected, ReactorType
from commander.domain.domain import REACTION_REJECTED
from commander.domain.messages import CommandType
from commander.domain.reactors import RecordedRejection
from eventstore.checkpoints import reactor_position, save_reactor, save_reactor_error
from eventstore.database import Connection, Database
from eventstore.locks import Lock, lock_key, sole_holder
from eventstore.outcomes import outcome_of
from eventstore.records import RecordedEvent, SubmittedCommand
from streaming.connection import Nats
from streaming.reading import LogReader
from streaming.running import keep_running
from streaming.submitting import Submitter
from streaming.tracing import SpanKind, mark, now_ns

logger = logging.getLogger("commander.reactors")

_PAUSE_SECONDS = 0.01
_BATCH = 500
_RETRY_FAILED_SECONDS = 5.0
_NAMESPACE = UUID("6e5a4c9e-0d0e-5d4b-9a43-b0a3e8a3f5d1")


def reaction_id(reactor: str, position: int, index: int) -> UUID:
    """The id of a reaction's command: the same whenever the reaction is repeated."""
    return uuid5(_NAMESPACE, f"{reactor}:{position}:{index}")


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
            self.position = await reactor_position(connection, self.name)
            logger.info("reactor %s goes on from position %d", self.name, self.position)
            while True:
                await self._follow(connection, log)

    async def _follow(self, connection: Connection, log: LogReader) -> None:
        events = await log.after(self.position, _BATCH)
        if not events:
            return
        commands: list[SubmittedCommand] = []
        failed: tuple[int, str] | None = None
        for event in events:
            try:
                commands += await self._react(event)
            except Exception as error:  # whatever the domain's code raises stops this reactor alone
                failed = event.position, f"{type(error).__name__}: {error}"
                break
        await asyncio.gather(*(self._submitter.submit(command) for command in commands))
        self.position = events[-1].position if failed is None else failed[0] - 1
        await save_reactor(connection, self.name, self.position)
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

    async def _react(self, event: RecordedEvent) -> list[SubmittedCommand]:
        instance = await self._instance(event)
        if instance is None:
            return []
        began = now_ns()
        commands = self._reactor.react(instance)
        if not commands:
            return []
        traceparent = mark(f"react {self.name}", event.traceparent, began, SpanKind.CONSUMER)
        return [self._submitted(event, index, one, traceparent) for index, one in enumerate(commands)]

    async def _instance(self, event: RecordedEvent) -> Any | None:
        """The event as the reactor takes it; None if it takes no interest."""
        if event.type == REACTION_REJECTED:
            return await self._rejection(event)
        type_ = self._domain.events.get(event.type)
        if type_ is None or type_.cls not in self._reactor.reactions:
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

    def _submitted(
        self, event: RecordedEvent, index: int, command: Any, traceparent: str | None
    ) -> SubmittedCommand:
        type_ = self._domain.type_of(command)
        if not isinstance(type_, CommandType):
            raise TypeError(f"{type_.name} is an event; a reactor returns commands")
        type_.check(command)
        return SubmittedCommand(
            command_id=reaction_id(self.name, event.position, index),
            type=type_.name,
            stream=self._domain.aggregate_of_command(type_.name).stream_of(command),
            data=msgspec.Raw(type_.encode(command)),
            correlation_id=event.correlation_id,
            submitted_at=datetime.now(UTC),
            causation_position=event.position,
            reactor=self.name,
            traceparent=traceparent,
        )
