"""The bank in this process: submitting, a running processor, and the log they fill."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
import pytest_asyncio

from commander.domain import Domain
from commander.domain.messages import CommandType
from commander.eventstore.database import Database
from commander.eventstore.log.checkpoints import settle_partitions
from commander.eventstore.log.event_log import head_position
from commander.eventstore.log.identity import Identity
from commander.eventstore.log.outcomes import outcome_of
from commander.eventstore.log.ranges import read_log
from commander.eventstore.reactions.reactors import reactor_statuses
from commander.eventstore.records import Outcome, RecordedEvent, SubmittedCommand
from commander.examples.bank import bank
from commander.streaming.commands.assembling import client_command_id
from commander.streaming.commands.processor import Processor
from commander.streaming.commands.processor_settings import ProcessorSettings
from commander.streaming.commands.submitting import Submitter
from commander.streaming.nats.clock import utc_now
from commander.streaming.nats.connection import Nats
from tests.holding import nothing_is_held

PARTITIONS = 4


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Runs `work` in the background; a failure of its own fails the test."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        if not task.done():
            task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def submitted(command: Any, domain: Domain = bank, **given: Any) -> SubmittedCommand:
    """A command as the API or a reactor would submit it."""
    type_ = domain.type_of(command)
    assert isinstance(type_, CommandType)
    command_id: UUID = given.pop("command_id", None) or client_command_id(utc_now())
    return SubmittedCommand(
        command_id=command_id,
        type=type_.stored_name,
        stream=domain.stream_of(command),
        data=msgspec.Raw(type_.encode(command)),
        correlation_id=command_id,
        submitted_at=datetime.now(UTC),
        **given,
    )


@dataclass
class Bank:
    """Servers with their streams and partitions made; the processor is started by the test."""

    database: Database
    nats: Nats
    submitter: Submitter

    def processor(self, domain: Domain = bank, **settings: Any) -> Processor:
        made = ProcessorSettings(PARTITIONS, **{"rebalance_seconds": 0.1, **settings})
        return Processor(domain, self.database, self.nats, made)

    async def submit(self, command: Any, domain: Domain = bank, **given: Any) -> UUID:
        message = submitted(command, domain, **given)
        await self.submitter.submit(message)
        return message.command_id

    async def outcome(self, command_id: UUID, timeout_seconds: float = 60) -> Outcome:
        """The outcome of a command, waited for."""
        async with asyncio.timeout(timeout_seconds):
            while (found := await outcome_of(self.database, command_id)) is None:
                await asyncio.sleep(0.01)
        return found

    async def log(self) -> list[RecordedEvent]:
        """The whole log of a small test."""
        return await read_log(self.database, 0, await head_position(self.database), 100_000)


async def until_reacted(servers: Bank, reactor: str) -> None:
    """Returns when the reactor is done with the log as it is."""
    async with asyncio.timeout(20):
        while True:
            head, statuses = await reactor_statuses(servers.database)
            if any(one.name == reactor and one.position == head for one in statuses):
                return
            await asyncio.sleep(0.02)


async def settle_as(database: Database, identity: Identity) -> None:
    """Makes the database that of this system."""
    await database.fetch("update system_identity set name = $1, id = $2", identity.name, identity.id)


@pytest_asyncio.fixture
async def servers(database: Database, nats: Nats) -> Bank:
    await settle_partitions(database, PARTITIONS)
    await settle_as(database, nats.names.identity)
    return Bank(database, nats, Submitter(nats, PARTITIONS))


@pytest.fixture(autouse=True)
def no_connection_is_held_while_nats_is_awaited(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    found = nothing_is_held(monkeypatch)
    yield
    assert found == []
