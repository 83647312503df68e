"""Dead letters: listed, retried once as a new command, or dropped; and who did it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest

from commander import Domain
from commander.domain.errors import InvalidRequest, NotFound
from commander.eventstore.log.command_history import dead_letter_action
from commander.resolvers import dead_letters
from commander.resolvers.request_context import RequestContext
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
    async with running(servers.processor(broken).run()):
        command_id = await servers.submit(Do(uuid4()), broken)
        assert (await servers.outcome(command_id)).code == "DECIDER_RAISED"
    return command_id


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
