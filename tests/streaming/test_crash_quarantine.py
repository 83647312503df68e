"""A command that kills its processor is set aside after three attempts; the rest go on."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from uuid import uuid4

import pytest

from commander.dev.embedded import EmbeddedNats
from tests.faults.waiting import until
from tests.streaming.conftest import PARTITIONS, Bank, submitted
from tests.streaming.fragile import Count, fragile


async def supervised(database_url: str, nats_url: str, deaths: list[int]) -> None:
    """The processor as a process that is started again whenever it dies."""
    arguments = [sys.executable, "-m", "tests.streaming.fragile", database_url, nats_url, str(PARTITIONS)]
    while True:
        process = await asyncio.create_subprocess_exec(*arguments, stderr=subprocess.DEVNULL)
        try:
            deaths.append(await process.wait())
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


@pytest.mark.parametrize(("how", "at_once"), [("kill", False), ("kill", True), ("hang", False)])
async def test_a_command_that_ends_its_processor_is_failed_after_three_attempts(
    servers: Bank, database_url: str, nats_server: EmbeddedNats, how: str, at_once: bool
) -> None:
    """at_once: all commands are in one message."""
    counter, other = uuid4(), uuid4()
    deaths: list[int] = []
    commands = [Count(c) for c in (counter, counter, counter)]
    commands += [Count(counter, how), Count(counter), Count(other), Count(counter)]
    made = [submitted(command, fragile) for command in commands]
    if at_once:
        await asyncio.gather(*map(servers.submitter.submit, made))
    else:
        for command in made:
            await servers.submitter.submit(command)
    ids = [command.command_id for command in made]
    killer, others = ids[3], ids[:3] + ids[4:]
    supervising = asyncio.create_task(supervised(database_url, nats_server.url, deaths))

    async def attempts_are_forgotten() -> bool:
        return bool(await servers.database.fetchval("select count(*) = 0 from attempts"))

    try:
        outcome = await servers.outcome(killer, timeout_seconds=40)
        rest = [await servers.outcome(command_id, 40) for command_id in others]
        await until(attempts_are_forgotten, "what has its outcome is suspected no more")
    finally:
        supervising.cancel()
        await asyncio.wait([supervising])
    assert (outcome.status, outcome.code) == ("FAILED", "CRASHED_PROCESSOR")
    assert len(deaths) == 3, "each attempt took one process with it"
    assert {one.status for one in rest} == {"APPLIED"}
    assert [event.position for event in await servers.log()] == list(range(1, 7))
