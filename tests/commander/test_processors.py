"""`commander processors`: what runs and what it knows, what waits, and the two ways out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest

from commander.dev.embedded import EmbeddedNats
from commander.eventstore.log.outcomes import outcome_of
from tests.commander.conftest import Run
from tests.e2e.shelf_new import shelf as new
from tests.e2e.shelf_old import shelf as old
from tests.streaming.conftest import PARTITIONS, Bank, running, servers
from tests.streaming.test_refusing import put, sent, sweep, until

__all__ = ["servers"]

Asking = Callable[..., Awaitable[tuple[int, list[list[str]], str]]]


@pytest.fixture
def asked(servers: Bank, nats_server: EmbeddedNats, commander: Run) -> Asking:
    """Exit code, the cells of each line, and errors of `commander processors` with these arguments."""
    urls = {"COMMANDER_POSTGRES_URL": servers.database.url, "COMMANDER_NATS_URL": nats_server.url}

    async def ask(*arguments: str) -> tuple[int, list[list[str]], str]:
        ended = await asyncio.to_thread(commander, "processors", *arguments, **urls)
        return ended.returncode, [line.split("\t") for line in ended.stdout.splitlines()], ended.stderr

    return ask


async def test_the_code_that_runs_is_listed_what_waits_is_told_and_a_command_can_be_failed(
    servers: Bank, asked: Asking
) -> None:
    assert await asked("list") == (0, [], "")
    shelf, fingerprint = uuid4(), old.code.fingerprint
    processor = servers.processor(old)
    async with running(processor.run()):
        swept, behind = await sent(servers, sweep(shelf), put(shelf))
        await until(lambda: bool(processor.refused))
        _, [listed], _ = await asked("list")
        assert (listed[0], *listed[3:6]) == ("processor", "shelf", fingerprint, str(PARTITIONS - 1))
        assert listed[6:] == ["Put", "Placed:1", "shelf"]
        _, [[part, partition, code, _, needs]], _ = await asked("waiting")
        assert (part, code) == ("processor", fingerprint)
        assert int(partition) not in processor.owned
        assert f"the command Sweep {swept}" in needs

        exit_code, _, error = await asked("fail", str(behind), "--reason", "x")
        assert exit_code == 1
        assert error.startswith(f"commander: no partition waits before the command {behind}")
        done = await asked("fail", str(swept), "--reason", "rolled back for good")
        assert done == (0, [[f"{swept} FAILED GIVEN_UP"]], "")
        assert (await servers.outcome(behind)).status == "APPLIED"
        assert await asked("waiting") == (0, [], "")
    outcome = await outcome_of(servers.database, swept)
    assert outcome is not None
    assert "rolled back for good" in (outcome.message or "")


async def test_a_code_that_does_not_run_can_be_forgotten(servers: Bank, asked: Asking) -> None:
    fingerprint = new.code.fingerprint
    processor = servers.processor(new)
    async with running(processor.run()):
        await until(lambda: bool(processor.owned))
        exit_code, _, error = await asked("forget", fingerprint)
        problem = f"commander: processors or reactors with the code {fingerprint} run; stop them first\n"
        assert (exit_code, error) == (1, problem)
    assert await asked("forget", fingerprint) == (0, [[f"forgot the code {fingerprint}"]], "")
    assert (await asked("forget", fingerprint))[0] == 1
