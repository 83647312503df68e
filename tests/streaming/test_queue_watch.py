"""The length of the queue, and its limits: by number, by bytes, and by the age of the oldest command."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from commander.domain.errors import Overloaded
from commander.eventstore.records import SubmittedCommand
from commander.examples.bank.messages import OpenAccount
from commander.streaming.commands.queue_watch import QueueLength, QueueLimits, QueueWatch, queue_length
from commander.streaming.commands.submitting import Submitter
from tests.streaming.conftest import PARTITIONS, Bank, running, submitted

LIMITS = QueueLimits(1000, 1_000_000_000, 3600)


def openings(count: int) -> list[SubmittedCommand]:
    return [submitted(OpenAccount("Ada", uuid4())) for _ in range(count)]


async def watched(servers: Bank, limits: QueueLimits) -> tuple[Submitter, QueueWatch]:
    """A submitter of an API process, and its watch, which has read the queue once."""
    watch = QueueWatch(servers.nats, limits)
    await watch.read()
    return Submitter(servers.nats, PARTITIONS, queue=watch), watch


async def test_commands_are_counted_alone_and_together_and_schedules_before_them_are_not(
    servers: Bank,
) -> None:
    assert (await queue_length(servers.nats)).commands == 0
    later = servers.nats.clock.now() + timedelta(hours=1)
    for _ in range(3):
        await servers.submit(OpenAccount("Ada", uuid4()), not_before=later)
    scheduled = await queue_length(servers.nats)
    assert (scheduled.commands, scheduled.oldest) == (0, None)
    await asyncio.gather(*map(servers.submitter.submit, openings(250)))
    await asyncio.gather(*(servers.submitter.submit(one, alone=True) for one in openings(4)))
    found = await queue_length(servers.nats)
    assert found.commands == 254 and found.bytes > scheduled.bytes
    assert found.oldest is not None and abs(found.oldest - servers.nats.clock.now()) < timedelta(minutes=1)


async def test_the_limit_by_number_holds_between_two_reads(servers: Bank) -> None:
    submitter, watch = await watched(servers, replace(LIMITS, commands=5))
    for command in openings(5):
        await submitter.submit(command)
    with pytest.raises(Overloaded, match="5 commands are queued, and 5 is the limit") as caught:
        await submitter.submit(*openings(1))
    assert caught.value.retry_after_seconds == 10
    assert "commands of clients are refused" in watch.warnings["queue"]
    await watch.read()
    assert watch.last is not None and watch.last.commands == 5
    with pytest.raises(Overloaded):
        submitter.must_accept()
    await servers.submitter.submit(*openings(1))  # as a reactor does


async def test_a_queue_that_was_decided_takes_commands_again(servers: Bank) -> None:
    submitter, watch = await watched(servers, replace(LIMITS, commands=2))
    await asyncio.gather(*map(submitter.submit, openings(2)))
    with pytest.raises(Overloaded):
        submitter.must_accept()
    async with running(servers.processor(purge_seconds=0.05).run()), asyncio.timeout(20):
        while watch.problem is not None:
            await watch.read()
    await submitter.submit(*openings(1))
    assert watch.warnings == {}


async def test_the_limit_by_bytes(servers: Bank) -> None:
    submitter, watch = await watched(servers, replace(LIMITS, bytes=20_000))
    while watch.problem is None:
        await submitter.submit(submitted(OpenAccount("x" * 3000, uuid4())))
    with pytest.raises(Overloaded, match=r"the queue has \d+ bytes, and 20000 is the limit"):
        submitter.must_accept()
    await watch.read()
    assert watch.last is not None and 20_000 <= watch.last.bytes < 30_000


async def test_the_limit_by_age_is_that_of_the_oldest_command(servers: Bank) -> None:
    submitter, watch = await watched(servers, LIMITS)
    await submitter.submit(*openings(1))
    await watch.read()
    submitter.must_accept()
    watch.last = QueueLength(1, 100, servers.nats.clock.now() - timedelta(hours=2))
    with pytest.raises(Overloaded, match=r"a command is queued for 7200 seconds, and 3600 is the limit"):
        submitter.must_accept()
