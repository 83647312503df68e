"""Dead letters: listed, retried once as a new command, or dropped; and who did it is kept."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from commander import Domain
from commander.dev.embedded import EmbeddedNats
from commander.domain.errors import InvalidRequest, NotFound
from commander.domain.senders import Sender
from commander.eventstore.database import Database
from commander.eventstore.log.command_history import begin_retry, dead_letter_action
from commander.eventstore.log.outcomes import outcome_of
from commander.eventstore.records import Outcome, SubmittedCommand
from commander.resolvers import dead_letters
from commander.resolvers.request_context import RequestContext
from commander.streaming.commands.assembling import Envelope, assembled, retried
from commander.streaming.commands.deciding import MAX_DEPTH
from commander.streaming.nats.publishing import publish
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
    servers: Bank, nats_server: EmbeddedNats, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert publish.__kwdefaults__ is not None
    monkeypatch.setitem(publish.__kwdefaults__, "timeout_seconds", 60)
    ids = await failures(servers, 5)
    database = Database(database_url, max_connections=2)  # fewer than retries
    few = Bank(database, servers.nats, servers.submitter)
    assert nats_server.process is not None
    nats_server.process.send_signal(signal.SIGSTOP)
    try:
        retrying = [asyncio.create_task(dead_letters.retry(RequestContext(few, "ada"), one)) for one in ids]
        begun = "select count(*) from dead_letter_actions where not submitted"
        async with asyncio.timeout(30):
            while await database.fetchval(begun) < len(ids):
                await asyncio.sleep(0.01)
        assert await dead_letters.dead_letters(database, 10)
        for act in (dead_letters.drop, dead_letters.retry):
            with pytest.raises(NotFound, match="somebody else retried or dropped"):
                await act(RequestContext(few, "eve"), ids[0])
        assert not any(task.done() for task in retrying)
        retrying[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await retrying.pop(0)
        with pytest.raises(InvalidRequest, match="its last retry may be stored"):
            await dead_letters.drop(RequestContext(few, "eve"), ids[0])
    finally:
        nats_server.process.send_signal(signal.SIGCONT)
    again = await asyncio.gather(*retrying, dead_letters.retry(RequestContext(few, "bob"), ids[0]))
    action = await dead_letter_action(database, ids[0])
    assert action is not None
    assert (action.retried_as, action.actor) == (again[-1].command_id, "bob")
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
    with pytest.raises(NotFound):
        await dead_letters.retry(RequestContext(servers, "eve"), command_id)
    await servers.database.fetch("update dead_letter_actions set at = at - interval '2 minutes'")
    with pytest.raises(InvalidRequest):
        await dead_letters.drop(RequestContext(servers, "eve"), command_id)
    again = await dead_letters.retry(RequestContext(servers, "eve"), command_id)
    assert again.command_id == first.command_id
    action = await dead_letter_action(servers.database, command_id)
    assert action is not None
    assert (action.action, action.retried_as, action.actor) == ("RETRIED", again.command_id, "eve")
    assert await dead_letters.dead_letters(servers.database, 10) == []


async def test_of_retries_and_drops_at_once_one_does_it(servers: Bank) -> None:
    for command_id in await failures(servers, 6):
        doing: list[Coroutine[Any, Any, SubmittedCommand | Outcome]] = []
        for n in range(0, 4, 2):
            doing.append(dead_letters.retry(RequestContext(servers, str(n)), command_id))
            doing.append(dead_letters.drop(RequestContext(servers, str(n + 1)), command_id))
        results = await asyncio.gather(*doing, return_exceptions=True)
        action = await dead_letter_action(servers.database, command_id)
        assert action is not None
        assert action.actor is not None
        done = results.pop(int(action.actor))
        assert {type(one) for one in results} == {NotFound}
        retried_as = done.command_id if isinstance(done, SubmittedCommand) else None
        assert (action.action == "RETRIED", action.retried_as) == (retried_as is not None, retried_as)


async def failed_as(servers: Bank, **given: Any) -> tuple[SubmittedCommand, Outcome]:
    """A command that failed, sent with these fields."""
    envelope = Envelope.of_client(
        uuid4(),
        datetime.now(UTC),
        correlation_id=uuid4(),
        expected_version=None,
        actor="ada",
        reply="its.client",
        traceparent=TRACE,
        not_before=None,
    )
    command = replace(assembled(broken, Do(uuid4()), envelope), **given)
    await servers.submitter.submit(command)
    async with running(servers.processor(broken).run()):
        outcome = await servers.outcome(command.command_id)
    assert outcome.status == "FAILED"
    return command, outcome


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
MINE = "00-11111111111111111111111111111111-2222222222222222-01"


async def test_a_retry_is_the_same_request_in_every_field(servers: Bank) -> None:
    command, _ = await failed_as(
        servers,
        expected_version=0,
        reactor="clerk",
        causation_position=7,
        depth=3,
        sent_digest=b"as sent",
        sender=Sender("ada", ("teller",)),
    )
    again = await dead_letters.retry(RequestContext(servers, "bob", MINE), command.command_id)
    kept = {"type", "stream", "data", "sent_digest"}  # what is asked for
    kept |= {"expected_version", "rejected"}  # what guards it
    kept |= {"actor", "sender", "correlation_id", "causation_position", "reactor"}  # who asked, and why
    own = {"command_id", "submitted_at", "reply", "traceparent"}
    begun_again = {"depth", "not_before", "code", "deadline", "fresh"}
    assert kept | own | begun_again == set(SubmittedCommand.__struct_fields__), "each field is decided on"
    assert {name: getattr(again, name) for name in kept} == {name: getattr(command, name) for name in kept}
    assert (again.reply, again.traceparent) == (None, MINE)
    assert (again.depth, again.not_before, again.code, again.deadline) == (0, None, None, None)
    assert not again.fresh, "a retry can be a repeat"
    assert all(getattr(again, name) != getattr(command, name) for name in own)


async def test_a_retry_is_applied_only_at_the_version_that_was_expected(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved, _ = await failed_as(servers, expected_version=0)
    still, _ = await failed_as(servers, expected_version=0)
    monkeypatch.setattr("tests.resolvers.test_dead_letters.mended", True)
    async with running(servers.processor(broken).run()):
        other = await servers.submit(Do(UUID(moved.stream.removeprefix("job-"))), broken)
        assert (await servers.outcome(other)).version == 1
        ends = []
        for command in (moved, still):
            again = await dead_letters.retry(RequestContext(servers, "ada"), command.command_id)
            ended = await servers.outcome(again.command_id)
            ends.append((ended.status, ended.code, ended.version))
    assert ends == [("REJECTED", "VERSION_CONFLICT", 1), ("APPLIED", None, 1)]


async def test_a_command_that_a_hook_rejected_is_not_decided_by_a_retry(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, outcome = await failed_as(servers, depth=MAX_DEPTH + 1, rejected=("BANNED", "not you"))
    assert outcome.code == "CAUSATION_TOO_DEEP"
    monkeypatch.setattr("tests.resolvers.test_dead_letters.mended", True)
    again = await dead_letters.retry(RequestContext(servers, "ada"), command.command_id)
    async with running(servers.processor(broken).run()):
        ended = await servers.outcome(again.command_id)
    assert (ended.status, ended.code, ended.message) == ("REJECTED", "BANNED", "not you")


async def test_a_retry_that_fails_keeps_its_guards_for_the_next(servers: Bank) -> None:
    _, outcome = await failed_as(servers, expected_version=0)
    for _ in range(2):
        again = await dead_letters.retry(RequestContext(servers, "ada"), outcome.command_id)
        assert again.expected_version == 0
        async with running(servers.processor(broken).run()):
            outcome = await servers.outcome(again.command_id)
    assert outcome.code == "DECIDER_RAISED"
    _, outcome = await failed_as(servers)
    assert outcome.guards is None
