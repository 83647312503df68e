"""Dead letters: listed, retried once as a new command, or dropped; and who did it is kept."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from commander import Domain
from commander.dev.embedded import EmbeddedNats
from commander.domain.errors import InvalidRequest, NotFound
from commander.eventstore.database import Database
from commander.eventstore.log.command_history import begin_retry, dead_letter_action
from commander.eventstore.log.outcomes import outcome_of
from commander.eventstore.records import SubmittedCommand
from commander.resolvers import dead_letters
from commander.resolvers.request_context import RequestContext
from commander.streaming.commands.assembling import retried
from tests.streaming.conftest import Bank, running

broken = Domain("broken")
mended = False


@broken.event
@dataclass(frozen=True)
class Done:
    job_id: UUID


@broken.command
@dataclass(frozen=True)
class Do:
    job_id: UUID


@broken.aggregate(key="job_id")
@dataclass(frozen=True)
class Job:
    def decide(self, command: Do) -> Done:
        if not mended:
            raise RuntimeError("a bug")
        return Done(command.job_id)

    def done(self, event: Done) -> Job:
        return self


async def failed(servers: Bank) -> UUID:
    [command_id] = await failures(servers, 1)
    return command_id


async def failures(servers: Bank, many: int) -> list[UUID]:
    async with running(servers.processor(broken).run()):
        ids = [await servers.submit(Do(uuid4()), broken) for _ in range(many)]
        assert {(await servers.outcome(one)).code for one in ids} == {"DECIDER_RAISED"}
    return ids


async def test_a_dead_letter_is_retried_as_a_new_command_and_keeps_its_outcome(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    command_id = await failed(servers)
    (listed,) = await dead_letters.dead_letters(servers.database, 10)
    assert (listed.command_id, listed.message) == (command_id, "RuntimeError: a bug")
    monkeypatch.setattr("tests.resolvers.test_dead_letters.mended", True)
    again = await dead_letters.retry(RequestContext(servers, "ada"), command_id)
    async with running(servers.processor(broken).run()):
        assert (await servers.outcome(again.command_id)).status == "APPLIED"
    assert (await servers.outcome(command_id)).status == "FAILED"
    assert await dead_letters.dead_letters(servers.database, 10) == []
    action = await dead_letter_action(servers.database, command_id)
    assert action is not None
    assert (action.action, action.retried_as, action.actor) == ("RETRIED", again.command_id, "ada")


async def test_what_was_dealt_with_is_not_dealt_with_again(servers: Bank) -> None:
    command_id = await failed(servers)
    await dead_letters.drop(RequestContext(servers, "ada"), command_id)
    assert await dead_letters.dead_letters(servers.database, 10) == []
    with pytest.raises(NotFound, match="was dropped at"):
        await dead_letters.retry(RequestContext(servers, "eve"), command_id)
    with pytest.raises(NotFound, match="was dropped at"):
        await dead_letters.drop(RequestContext(servers, "eve"), command_id)
    with pytest.raises(NotFound, match="there is no dead letter"):
        await dead_letters.drop(RequestContext(servers, "eve"), uuid4())
    with pytest.raises(InvalidRequest, match="first"):
        await dead_letters.dead_letters(servers.database, -1)


async def test_reads_do_not_wait_for_retries_that_wait_for_nats(
    servers: Bank, nats_server: EmbeddedNats, database_url: str
) -> None:
    ids = await failures(servers, 5)
    database = Database(database_url, max_connections=2)  # fewer than retries
    few = Bank(database, servers.nats, servers.submitter)
    assert nats_server.process is not None
    nats_server.process.send_signal(signal.SIGSTOP)
    try:
        retrying = [asyncio.create_task(dead_letters.retry(RequestContext(few, "ada"), one)) for one in ids]
        begun = "select count(*) from dead_letter_actions where not submitted"
        async with asyncio.timeout(4):  # NATS gives up after 5
            while await database.fetchval(begun) < len(ids):
                await asyncio.sleep(0.01)
        assert await dead_letters.dead_letters(database, 10)
        with pytest.raises(InvalidRequest, match="a retry has begun"):
            await dead_letters.drop(RequestContext(few, "eve"), ids[0])
        assert not any(task.done() for task in retrying)
    finally:
        nats_server.process.send_signal(signal.SIGCONT)
    again = await asyncio.gather(*retrying)
    assert await dead_letters.dead_letters(database, 10) == []
    async with running(servers.processor(broken).run()):
        assert {(await servers.outcome(one.command_id)).command_id for one in again}
    await database.close()


async def test_a_retry_that_ended_before_its_submission_is_listed_and_can_be_made_again(
    servers: Bank,
) -> None:
    command_id = await failed(servers)
    outcome = await outcome_of(servers.database, command_id)
    assert outcome is not None
    first = retried(outcome, datetime.now(UTC), None)
    async with servers.database.connection() as connection:
        assert await begin_retry(connection, command_id, first.command_id, "ada")
    assert [one.command_id for one in await dead_letters.dead_letters(servers.database, 10)] == [command_id]
    assert await dead_letter_action(servers.database, command_id) is None
    again = await dead_letters.retry(RequestContext(servers, "eve"), command_id)
    assert again.command_id == first.command_id
    action = await dead_letter_action(servers.database, command_id)
    assert action is not None
    assert (action.action, action.retried_as, action.actor) == ("RETRIED", again.command_id, "ada")
    assert await dead_letters.dead_letters(servers.database, 10) == []


async def test_retries_and_drops_at_once_are_one_of_them(servers: Bank) -> None:
    for command_id in await failures(servers, 6):
        context = RequestContext(servers, "ada")
        results = await asyncio.gather(
            dead_letters.retry(context, command_id),
            dead_letters.drop(context, command_id),
            dead_letters.retry(context, command_id),
            return_exceptions=True,
        )
        action = await dead_letter_action(servers.database, command_id)
        assert action is not None
        retries = {one.command_id for one in (results[0], results[2]) if isinstance(one, SubmittedCommand)}
        assert all(isinstance(one, SubmittedCommand | NotFound | InvalidRequest | None) for one in results)
        if action.action == "DROPPED":
            assert results[1] is None
            assert retries == set()
        else:
            assert retries == {action.retried_as}
            assert isinstance(results[1], NotFound | InvalidRequest)
