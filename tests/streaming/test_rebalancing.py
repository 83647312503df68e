"""Processors join and leave while commands wait: nobody has died, and what stays owned goes on."""

from __future__ import annotations

import asyncio
import logging
from decimal import Decimal
from uuid import UUID

import pytest

from commander.eventstore.database import Database
from commander.eventstore.log.event_log import ended_commands
from commander.examples.bank.messages import Deposit, OpenAccount
from commander.streaming.commands.processor import Processor
from commander.streaming.nats.streams import partition_of
from tests.streaming.conftest import PARTITIONS, Bank, running, submitted
from tests.streaming.test_overlapping import enqueue

ACCOUNTS = 20
SIZE = 100


async def queue(servers: Bank, deposits: int) -> int:
    """Queues accounts and deposits to them in turn. Returns how many commands that are."""
    accounts = [UUID(int=n) for n in range(ACCOUNTS)]  # in all partitions
    opening = [submitted(OpenAccount("Ada", account)) for account in accounts]
    paying = [submitted(Deposit(accounts[n % ACCOUNTS], Decimal(1))) for n in range(deposits)]
    await enqueue(servers, [*opening, *paying])
    return len(opening) + len(paying)


async def until_decided(database: Database, count: int) -> None:
    async with asyncio.timeout(60):
        while await ended_commands(database) < count:
            await asyncio.sleep(0.01)


async def until_owned(*owned: tuple[Processor, int]) -> None:
    async with asyncio.timeout(20):
        while any(len(one.owned) != count for one, count in owned):
            await asyncio.sleep(0.005)


def single_commits(processor: Processor) -> int:
    """How many transactions of one command it has committed."""
    return processor.counters.batch_sizes.counts[0]


async def test_states_of_partitions_that_stay_owned_are_kept(servers: Bank) -> None:
    queued = await queue(servers, ACCOUNTS)
    first, second = servers.processor(), servers.processor()

    def partitions_of_states(processor: Processor) -> set[int]:
        return {partition_of(stream, PARTITIONS) for stream in processor._states}

    async with running(first.run()):
        await until_decided(servers.database, queued)
        assert partitions_of_states(first) == set(range(PARTITIONS))
        async with running(second.run()):
            await until_owned((first, PARTITIONS // 2), (second, PARTITIONS // 2))
            kept = set(first.owned)
            assert partitions_of_states(first) == kept
        await until_owned((first, PARTITIONS))
        assert partitions_of_states(first) == kept, "another may have decided in the others"


async def test_a_processor_that_lost_its_session_does_not_take_its_own_mark_for_a_crash(
    servers: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    queued = await queue(servers, 2000)
    processor = servers.processor(batch_size=SIZE)
    async with running(processor.run()):
        await until_decided(servers.database, 5 * SIZE)
        await servers.database.fetch(
            """select pg_terminate_backend(pid) from pg_stat_activity
               where application_name = 'commander processor' and datname = current_database()"""
        )
        await until_decided(servers.database, queued)
    assert "retrying" in caplog.text
    assert "crashed" not in caplog.text


async def test_who_joins_or_leaves_while_commands_wait_is_taken_for_no_death(
    servers: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    queued = await queue(servers, 12_000)
    first, second = servers.processor(batch_size=SIZE), servers.processor(batch_size=SIZE)
    with caplog.at_level(logging.WARNING, logger="commander"):
        async with running(first.run()):
            await until_decided(servers.database, 10 * SIZE)
            async with running(second.run()):
                await until_owned((first, PARTITIONS // 2), (second, PARTITIONS // 2))
                await until_decided(servers.database, 20 * SIZE)
            assert await ended_commands(servers.database) < queued, "commands wait while it leaves"
            await until_owned((first, PARTITIONS))
            await until_decided(servers.database, queued)
    assert caplog.text == ""
    assert single_commits(first) + single_commits(second) < 10
    assert not await servers.database.fetchval("select count(*) from partitions where running")
