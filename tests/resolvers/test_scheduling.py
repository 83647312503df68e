"""A command with a time of its own: kept until then, shown, taken back, and decided once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest

import commander.streaming.commands.pending_by_id
from commander.dev.embedded import EmbeddedNats
from commander.domain.errors import InvalidRequest
from commander.examples.bank.messages import OpenAccount
from commander.resolvers.commands import Options, Wait, submit, submit_all
from commander.resolvers.ending import cancel
from commander.resolvers.request_context import RequestContext
from commander.resolvers.results import AcceptedResult, AppliedResult, ConflictResult, PendingResult
from commander.resolvers.services import Services
from commander.resolvers.status import follow_command, state_of
from commander.streaming.commands.messages import scheduled_subject
from commander.streaming.commands.pending_by_id import pending_alone
from tests.names import NAMES
from tests.streaming.conftest import Bank, running

SOON = timedelta(milliseconds=300)
LATER = timedelta(hours=1)


def at(moment: datetime, command_id: UUID | None = None, **given: Any) -> Options:
    return Options(command_id or uuid4(), given_id=command_id is not None, not_before=moment, **given)


async def queued_subjects(servers: Bank) -> list[str]:
    info = await servers.nats.jetstream.stream_info("COMMANDS", subjects_filter=">")
    return list(info.state.subjects or {})


@pytest.mark.parametrize("wait", Wait)
async def test_it_is_accepted_at_once_and_decided_at_its_time(
    servers: Bank, services: Services, wait: Wait
) -> None:
    due = datetime.now(UTC) + SOON
    async with running(servers.processor().run()):
        made = await submit(services, OpenAccount("Ada", uuid4()), at(due, wait=wait))
        assert isinstance(made, AcceptedResult)
        now = await submit(services, OpenAccount("Eve", uuid4()), Options(uuid4(), given_id=False))
        outcome = await servers.outcome(made.command_id)
    assert isinstance(now, AppliedResult)
    assert (outcome.status, outcome.decided_at > due) == ("APPLIED", True)
    assert [event.command_id for event in await servers.log()] == [now.command_id, made.command_id]


async def test_many_at_once_wait_for_the_same_time(servers: Bank, services: Services) -> None:
    due = datetime.now(UTC) + SOON
    many = replace(services, limits=replace(services.limits, max_batch=50))
    async with running(servers.processor().run()):
        made = await submit_all(many, [(OpenAccount("Ada", uuid4()), at(due)) for _ in range(50)])
        outcomes = [await servers.outcome(one.command_id) for one in made]
    assert {type(one) for one in made} == {AcceptedResult}
    assert all(o.status == "APPLIED" and o.decided_at > due for o in outcomes)


async def test_a_time_that_is_past_is_now(servers: Bank, services: Services) -> None:
    past = datetime.now(UTC) - LATER
    async with running(servers.processor().run()):
        result = await submit(services, OpenAccount("Ada", uuid4()), at(past))
    assert isinstance(result, AppliedResult)


async def test_whether_a_time_is_past_the_clock_that_is_given_says(services: Services) -> None:
    due = datetime(2030, 1, 1, tzinfo=UTC)
    for now, expected in ((due - timedelta(seconds=1), AcceptedResult), (due, PendingResult)):
        moved = replace(services, now=partial(datetime.fromtimestamp, now.timestamp(), UTC))
        made = await submit(moved, OpenAccount("Ada", uuid4()), at(due, timeout_ms=0))
        assert isinstance(made, expected)
        state = await state_of(moved, made.command_id)
        assert state is not None
        assert state.scheduled is (now < due)


@pytest.mark.parametrize(
    ("moment", "problem"),
    [
        (datetime.now(UTC) + timedelta(days=367), "notBefore: must be within 366 days, got"),
        (datetime.max.replace(tzinfo=UTC), "notBefore: must be within 366 days, got 9999-12-31"),
        (datetime(2030, 1, 1), "notBefore: must have a time zone, got 2030-01-01"),
    ],
)
async def test_a_time_out_of_range_is_named_and_nothing_is_stored(
    services: Services, moment: datetime, problem: str
) -> None:
    with pytest.raises(InvalidRequest, match=problem):
        await submit(services, OpenAccount("Ada", uuid4()), at(moment))
    assert (await services.nats.jetstream.stream_info("COMMANDS")).state.messages == 0


async def test_it_is_shown_as_scheduled_and_then_as_it_ended(servers: Bank, services: Services) -> None:
    due = datetime.now(UTC) + SOON
    made = await submit(services, OpenAccount("Ada", uuid4()), at(due))
    state = await state_of(services, made.command_id)
    assert state is not None
    assert state.submitted is not None
    assert (state.scheduled, state.submitted.not_before) == (True, due)
    followed = follow_command(services, made.command_id)
    assert (await anext(followed)).scheduled
    async with running(servers.processor().run()), asyncio.timeout(10):
        rest = [one async for one in followed]
    assert rest[-1].outcome is not None
    assert rest[-1].outcome.status == "APPLIED"
    assert not any(one.scheduled for one in rest)


async def test_cancelled_before_its_time_it_is_never_decided(servers: Bank, services: Services) -> None:
    made = await submit(services, OpenAccount("Ada", uuid4()), at(datetime.now(UTC) + LATER))
    assert await queued_subjects(servers) == [scheduled_subject(NAMES, made.command_id, made.command_id)]
    ended = await cancel(RequestContext(services), made.command_id)
    assert (ended.status, ended.code) == ("REJECTED", "CANCELLED")
    assert await queued_subjects(servers) == []
    assert (await cancel(RequestContext(services), made.command_id)).code == "CANCELLED"


async def test_a_cancelled_one_whose_schedule_stayed_comes_and_finds_its_end(
    servers: Bank, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(*_: object) -> None: ...

    monkeypatch.setattr("commander.resolvers.ending.unschedule", lost)
    made = await submit(services, OpenAccount("Ada", uuid4()), at(datetime.now(UTC) + SOON))
    await cancel(RequestContext(services), made.command_id)
    async with running(servers.processor(purge_seconds=0.1).run()), asyncio.timeout(10):
        while await queued_subjects(servers):
            await asyncio.sleep(0.02)
    assert (await servers.outcome(made.command_id)).code == "CANCELLED"
    assert await servers.log() == []


async def test_sent_again_it_keeps_its_first_time(servers: Bank, services: Services) -> None:
    command_id, opening = uuid4(), OpenAccount("Ada", uuid4())
    first = datetime.now(UTC) + LATER
    for moment in (first, first + LATER):
        assert await submit(services, opening, at(moment, command_id)) == AcceptedResult(command_id)
    other = await submit(services, OpenAccount("Eve", uuid4()), at(first, command_id))
    assert other == ConflictResult(command_id)
    state = await state_of(services, command_id)
    assert state is not None
    assert state.submitted is not None
    assert state.submitted.not_before == first


async def test_it_is_found_by_its_id_whatever_its_correlation_is(servers: Bank, services: Services) -> None:
    command_id, opening, due = uuid4(), OpenAccount("Ada", uuid4()), datetime.now(UTC) + LATER
    for correlation_id in (uuid4(), uuid4()):
        again = at(due, command_id, correlation_id=correlation_id)
        assert await submit(services, opening, again) == AcceptedResult(command_id)
    other = at(due, command_id, correlation_id=uuid4())
    assert await submit(services, OpenAccount("Eve", uuid4()), other) == ConflictResult(command_id)
    assert len(await queued_subjects(servers)) == 1
    state = await state_of(services, command_id)
    assert state is not None
    assert state.scheduled
    assert (await cancel(RequestContext(services), command_id)).code == "CANCELLED"
    assert await queued_subjects(servers) == []


async def test_one_that_falls_due_while_it_is_looked_for_is_found(
    servers: Bank, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await submit(services, OpenAccount("Ada", uuid4()), at(datetime.now(UTC) + SOON))
    look, looked = commander.streaming.commands.pending_by_id._first, 0

    async def first(*arguments: Any) -> Any:
        nonlocal looked
        found = await look(*arguments)
        looked += 1
        if looked == 1:
            async with asyncio.timeout(10):
                while any("scheduled" in subject for subject in await queued_subjects(servers)):
                    await asyncio.sleep(0.02)
        return found

    monkeypatch.setattr("commander.streaming.commands.pending_by_id._first", first)
    assert await pending_alone(servers.nats, made.command_id) is not None


async def test_purging_what_is_decided_leaves_it(servers: Bank, services: Services) -> None:
    made = await submit(services, OpenAccount("Ada", uuid4()), at(datetime.now(UTC) + LATER))
    await servers.submit(OpenAccount("Eve", uuid4()))
    async with running(servers.processor(purge_seconds=0.05).run()), asyncio.timeout(10):
        while len(await queued_subjects(servers)) > 1:
            await asyncio.sleep(0.02)
    assert await queued_subjects(servers) == [scheduled_subject(NAMES, made.command_id, made.command_id)]


async def test_one_that_falls_due_while_the_server_is_down_is_decided_when_it_is_back(
    servers: Bank, services: Services, nats_server: EmbeddedNats
) -> None:
    made = await submit(services, OpenAccount("Ada", uuid4()), at(datetime.now(UTC) + SOON))
    kept = await submit(services, OpenAccount("Eve", uuid4()), at(datetime.now(UTC) + LATER))
    await nats_server.stop()
    await nats_server.start()
    async with asyncio.timeout(20):
        while not servers.nats.connected:
            await asyncio.sleep(0.02)
    async with running(servers.processor().run()):
        assert (await servers.outcome(made.command_id, 20)).status == "APPLIED"
    assert await queued_subjects(servers) != []
    state = await state_of(services, kept.command_id)
    assert state is not None
    assert state.scheduled
