"""The processor under load, when batches overlap: looked up, decided and in line for their commit at once."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from commander.eventstore.database import Connection
from commander.eventstore.log.event_log import append, head_position
from commander.eventstore.records import Decision, NewEvent, Status, SubmittedCommand
from commander.examples.bank.messages import Deposit, OpenAccount
from commander.streaming.commands.messages import message_of
from commander.streaming.commands.processor import Processor
from commander.streaming.nats.publishing import chunks, publish_atomically
from tests.eventstore.decisions import digest_of
from tests.names import NAMES
from tests.streaming.conftest import PARTITIONS, Bank, running, submitted

SIZE = 100  # a batch of fewer is committed before more are taken


async def enqueue(servers: Bank, commands: list[SubmittedCommand]) -> None:
    for chunk in chunks([message_of(NAMES, command, PARTITIONS) for command in commands]):
        await publish_atomically(servers.nats, chunk)


def deposits(account: UUID, batches: int) -> list[SubmittedCommand]:
    return [submitted(Deposit(account, Decimal(1))) for _ in range(batches * SIZE)]


async def assert_each_once(
    servers: Bank, opening: SubmittedCommand, commands: list[SubmittedCommand]
) -> None:
    log = await servers.log()
    assert [event.command_id for event in log] == [opening.command_id, *(c.command_id for c in commands)]
    assert [event.version for event in log] == list(range(1, len(commands) + 2))


async def somebody_waits_for_a_lock(servers: Bank) -> bool:
    waiting = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    return bool(await servers.database.fetch(waiting))


def is_full(processor: Processor) -> bool:
    """Whether two batches stand in line, one that is decided waits for a place, and one is looked up."""
    if len(processor._commits._running) < 2 or any(task.done() for task in processor._commits._running):
        return False
    decided = processor._recent[-2]
    return decided._append is not None and decided is not processor._last


@asynccontextmanager
async def commits_held_up(servers: Bank, processor: Processor) -> AsyncIterator[Connection]:
    """Begins when the processor is at full speed, and lasts until no more is under way than may be.

    Nobody can commit until the transaction of the connection ends.
    """
    async with asyncio.timeout(10):
        while await head_position(servers.database) < 10 * SIZE:
            await asyncio.sleep(0.01)
    async with servers.database.connection() as connection, connection.transaction():
        await connection.execute("select from log_head for update")
        async with asyncio.timeout(10):
            while not (await somebody_waits_for_a_lock(servers) and is_full(processor)):
                await asyncio.sleep(0.01)
        yield connection


async def test_what_is_repeated_in_a_later_batch_is_seen_before_its_commit(
    servers: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    account = uuid4()
    opening, commands = submitted(OpenAccount("Ada", account)), deposits(account, 12)
    sent = [opening]
    for n, command in enumerate(commands):
        sent.append(command)
        sent += [commands[n - apart * SIZE] for apart in (1, 2, 3, 4) if n % 7 == apart and n >= apart * SIZE]
    await enqueue(servers, sent)
    with caplog.at_level(logging.WARNING):
        async with running(servers.processor(batch_size=SIZE).run()):
            await servers.outcome(commands[-1].command_id)
    await assert_each_once(servers, opening, commands)
    assert "again" not in caplog.text


async def test_no_more_is_decided_ahead_than_stands_in_line(servers: Bank) -> None:
    account = uuid4()
    opening, commands = submitted(OpenAccount("Ada", account)), deposits(account, 100)
    await enqueue(servers, [opening, *commands])
    processor = servers.processor(batch_size=SIZE)
    async with running(processor.run()):
        async with commits_held_up(servers, processor):
            newest = processor._recent[-1]
            await asyncio.sleep(0.2)  # it could go on
            assert len(processor._commits._running) == 2
            assert processor._recent[-1] is newest
            assert newest._append is None
        await servers.outcome(commands[-1].command_id)
    await assert_each_once(servers, opening, commands)


async def test_a_commit_that_fails_takes_those_behind_it_with_it(
    servers: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody else stores one of the commands after it was looked up and before its batch is committed."""
    caplog.set_level(logging.INFO)
    account, elsewhere = uuid4(), uuid4()
    opening, commands = submitted(OpenAccount("Ada", account)), deposits(account, 100)
    await enqueue(servers, [opening, *commands])
    processor = servers.processor(batch_size=SIZE)
    async with running(processor.run()):
        async with commits_held_up(servers, processor) as connection:
            stolen = processor._recent[-3].commands[0]  # of the last in line; one more is decided
            event = NewEvent("AccountOpened", 1, f'{{"account_id":"{elsewhere}","owner":"Eve"}}')
            there = submitted(OpenAccount("Eve", elsewhere), command_id=stolen.command_id)
            decision = Decision(there, digest_of(there), Status.APPLIED, 1, (event,))
            await append(connection, [decision], None)
        await servers.outcome(commands[-1].command_id)
        gc.collect()
    assert "some commands are decided again" in caplog.text
    assert "never retrieved" not in caplog.text
    log = await servers.log()
    assert [event.command_id for event in log].count(stolen.command_id) == 1
    here = [event for event in log if event.stream == opening.stream]
    others = [command.command_id for command in commands if command.command_id != stolen.command_id]
    assert [event.command_id for event in here] == [opening.command_id, *others]
    assert [event.version for event in here] == list(range(1, len(here) + 1))
