"""Cancelling: a queued command is taken back for good, or it was too late."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from commander.domain.errors import NotFound
from commander.examples.bank.messages import OpenAccount
from commander.resolvers.ending import cancel
from commander.resolvers.request_context import RequestContext
from commander.resolvers.services import Services
from tests.streaming.conftest import Bank, running, submitted


async def test_a_cancelled_command_is_never_decided(servers: Bank, services: Services) -> None:
    cancelled = await servers.submit(OpenAccount("Ada", uuid4()))
    kept = await servers.submit(OpenAccount("Eve", uuid4()))
    ended = await cancel(RequestContext(services), cancelled)
    assert (ended.status, ended.code) == ("REJECTED", "CANCELLED")
    async with running(servers.processor().run()):
        assert (await servers.outcome(kept)).status == "APPLIED"
    outcome = await servers.outcome(cancelled)
    assert (outcome.code, outcome.decider_now) == ("CANCELLED", None)
    assert [event.command_id for event in await servers.log()] == [kept]


async def test_one_of_many_in_a_message_is_taken_back_and_the_others_go_on(
    servers: Bank, services: Services
) -> None:
    made = [submitted(OpenAccount("Ada", uuid4())) for _ in range(5)]
    await asyncio.gather(*map(servers.submitter.submit, made))
    ids = [command.command_id for command in made]
    assert (await cancel(RequestContext(services), ids[2])).code == "CANCELLED"
    async with running(servers.processor().run()):
        statuses = [(await servers.outcome(command_id)).status for command_id in ids]
    assert statuses == ["APPLIED", "APPLIED", "REJECTED", "APPLIED", "APPLIED"]


async def test_cancelling_too_late_tells_how_it_ended(servers: Bank, services: Services) -> None:
    async with running(servers.processor().run()):
        command_id = await servers.submit(OpenAccount("Ada", uuid4()))
        await servers.outcome(command_id)
    assert (await cancel(RequestContext(services), command_id)).status == "APPLIED"


async def test_cancelling_what_was_never_submitted_is_an_error(services: Services) -> None:
    with pytest.raises(NotFound, match="there is no command"):
        await cancel(RequestContext(services), uuid4())


async def test_a_race_with_the_processor_has_one_winner(servers: Bank, services: Services) -> None:
    async with running(servers.processor(batch_size=3).run()):
        ids = [await servers.submit(OpenAccount("Ada", uuid4())) for _ in range(30)]
        ended = await asyncio.gather(*(cancel(RequestContext(services), command_id) for command_id in ids))
        outcomes = [await servers.outcome(command_id) for command_id in ids]
    assert [one.status for one in ended] == [outcome.status for outcome in outcomes]
    applied = [o.command_id for o in outcomes if o.status == "APPLIED"]
    assert sorted(event.command_id for event in await servers.log()) == sorted(applied)


async def test_who_waits_or_follows_is_told_at_once(
    servers: Bank, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commander.streaming.commands.outcomes._POLL_PAUSES_SECONDS", (3600.0,))
    command_id = uuid4()
    async with services.outcomes.watch(command_id) as watch:
        with services.outcomes.expect(command_id) as expected:
            reply = services.outcomes.reply
            await servers.submit(OpenAccount("Ada", uuid4()), command_id=command_id, reply=reply)
            async with asyncio.timeout(10):
                assert (await cancel(RequestContext(services), command_id)).code == "CANCELLED"
                await watch.wait(timeout_seconds=3600)
                ended = await expected.outcome(timeout_seconds=3600)
    assert ended is not None
    assert ended.code == "CANCELLED"
