"""Hooks on the way of a client's command: one outcome per id, whatever the hooks say the second time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from commander.domain import HookFailed, Origin
from commander.resolvers import dead_letters
from commander.resolvers.commands import Options, Wait, submit, submit_all
from commander.resolvers.request_context import RequestContext
from commander.resolvers.results import (
    AcceptedResult,
    AppliedResult,
    ConflictResult,
    FailedResult,
    InvalidResult,
    RejectedResult,
    Result,
    ValidResult,
)
from commander.resolvers.services import Services
from tests.streaming.conftest import Bank, running
from tests.streaming.parking import Enter, Entered, banned, parking, seen

START = datetime(2030, 1, 1, tzinfo=UTC)


class Minutes:
    """A clock that is a minute later each time."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now


@pytest.fixture(autouse=True)
def nobody_is_banned() -> Iterator[None]:
    seen.clear()
    yield
    banned.clear()


@pytest.fixture
def park(services: Services) -> Services:
    return dataclasses.replace(services, domain=parking, now=Minutes())


def options(command_id: UUID | None = None, **given: Any) -> Options:
    return Options(command_id or uuid4(), given_id=command_id is not None, **given)


def entered(result: Result) -> Entered:
    """The one event of a command that was applied."""
    assert isinstance(result, AppliedResult | ValidResult), result
    (event,) = result.events
    made = parking.events["Entered"].decode(event.data, 0)
    assert isinstance(made, Entered)
    return made


async def test_what_a_hook_makes_of_a_command_is_what_is_decided(servers: Bank, park: Services) -> None:
    car, command_id, correlation_id = uuid4(), uuid4(), uuid4()
    asked = options(command_id, correlation_id=correlation_id, actor="ada")
    async with running(servers.processor(parking).run()):
        result = await submit(park, Enter(car, " ab 1"), asked)
    assert entered(result) == Entered(car, "AB 1", seen[0].now, "ada")
    (context,) = seen
    assert (context.command_id, context.correlation_id) == (command_id, correlation_id)
    assert (context.stream, context.origin, context.actor) == (f"car-{car}", Origin.CLIENT, "ada")
    assert '"plate":"AB 1"' in (await servers.outcome(command_id)).data


@pytest.mark.parametrize("wait", [Wait.APPLIED, Wait.ACCEPTED])
async def test_a_hook_that_adds_the_time_makes_no_conflict_of_a_command_sent_again(
    servers: Bank, park: Services, wait: Wait
) -> None:
    command_id, car = uuid4(), uuid4()
    accept = options(command_id, wait=Wait.ACCEPTED)
    for _ in range(2):  # while it is queued
        assert await submit(park, Enter(car, "A"), accept) == AcceptedResult(command_id)
    async with running(servers.processor(parking).run()):
        first = entered(await submit(park, Enter(car, "A"), options(command_id)))
        again = await submit(park, Enter(car, "A"), options(command_id, wait=wait))
    assert entered(again) == first
    assert first.at == START + timedelta(minutes=1), "the first submission's"
    assert len({context.now for context in seen}) == 4
    assert len(await servers.log()) == 1


async def test_other_content_is_a_conflict_even_if_a_hook_makes_it_the_same(
    servers: Bank, park: Services
) -> None:
    command_id, car = uuid4(), uuid4()
    async with running(servers.processor(parking).run()):
        entered(await submit(park, Enter(car, "a"), options(command_id)))
        assert await submit(park, Enter(car, "A"), options(command_id)) == ConflictResult(command_id)


async def test_a_rejection_before_submitting_stores_nothing_and_leaves_the_id_free(
    servers: Bank, park: Services
) -> None:
    command_id, car = uuid4(), uuid4()
    banned.add("A")
    for asked in (options(command_id), options(command_id, wait=Wait.ACCEPTED), options()):
        rejected = await submit(park, Enter(car, "a"), asked)
        assert rejected == RejectedResult(asked.command_id, "BANNED", "A is banned")
    assert (await servers.nats.jetstream.stream_info("COMMANDS")).state.messages == 0
    banned.clear()
    async with running(servers.processor(parking).run()):
        assert entered(await submit(park, Enter(car, "a"), options(command_id))).plate == "A"


async def test_the_first_outcome_is_given_again_though_a_hook_now_rejects(
    servers: Bank, park: Services
) -> None:
    command_id, queued_id = uuid4(), uuid4()
    ada, bob = Enter(uuid4(), "a"), Enter(uuid4(), "b")
    async with running(servers.processor(parking).run()):
        first = await submit(park, ada, options(command_id))
    await submit(park, bob, options(queued_id, wait=Wait.ACCEPTED))
    banned.update(("A", "B", "C"))
    assert await submit(park, Enter(uuid4(), "c"), options(queued_id)) == ConflictResult(queued_id)
    assert await submit(park, ada, options(command_id)) == first
    accepted = await submit(park, bob, options(queued_id, wait=Wait.ACCEPTED))
    assert accepted == AcceptedResult(queued_id)
    async with running(servers.processor(parking).run()):
        assert entered(await submit(park, bob, options(queued_id))).plate == "B"
        rejected = await submit(park, bob, options())
    assert isinstance(rejected, RejectedResult)
    assert len(await servers.log()) == 2


async def test_of_many_each_has_its_own_rejection(servers: Bank, park: Services) -> None:
    banned.add("B")
    commands = [Enter(uuid4(), plate) for plate in ("a", "b", " ", "many", "c")]
    async with running(servers.processor(parking).run()):
        results = await submit_all(park, [(command, options()) for command in commands])
    rejected, invalid, vetoed = results[1:4]
    assert isinstance(rejected, RejectedResult)
    assert isinstance(invalid, InvalidResult)
    assert isinstance(vetoed, RejectedResult)
    assert (rejected.code, vetoed.code) == ("BANNED", "TOO_MANY")
    assert [problem.path for problem in invalid.problems] == [("plate",)]
    assert [entered(results[n]).plate for n in (0, 4)] == ["A", "C"]


async def test_a_dry_run_runs_the_hooks(park: Services) -> None:
    async def tried(plate: str) -> Result:
        return await submit(park, Enter(uuid4(), plate), options(validate_only=True))

    assert entered(await tried("a")).at == START + timedelta(minutes=1)
    for plate, code in (("banned", "BANNED"), ("many", "TOO_MANY")):
        result = await tried(plate)
        assert isinstance(result, RejectedResult)
        assert result.code == code
    failed = await tried("bug")
    assert isinstance(failed, FailedResult)
    assert failed.code == "HOOK_RAISED"


@pytest.mark.parametrize("plate", ["raises", "exits", "waives", "moves"])
async def test_a_hook_that_goes_wrong_is_an_error_of_the_request(
    servers: Bank, park: Services, plate: str
) -> None:
    with pytest.raises(HookFailed, match="the before_submit hook stamp"):
        await submit(park, Enter(uuid4(), plate), options())
    with pytest.raises(HookFailed):
        await submit_all(park, [(Enter(uuid4(), "a"), options()), (Enter(uuid4(), plate), options())])
    assert (await servers.nats.jetstream.stream_info("COMMANDS")).state.messages == 0


async def test_a_hook_that_goes_wrong_after_deciding_makes_a_dead_letter_that_is_retried_as_it_was(
    servers: Bank, park: Services
) -> None:
    command_id = uuid4()
    async with running(servers.processor(parking).run()):
        failed = await submit(park, Enter(uuid4(), "bug"), options(command_id, actor="ada"))
        assert isinstance(failed, FailedResult)
        assert failed.code == "HOOK_RAISED"
        assert "the after_decide hook reword" in failed.message
        banned.add("BUG")
        again = await dead_letters.retry(RequestContext(servers, "bob"), command_id)
        outcomes = [await servers.outcome(one) for one in (command_id, again.command_id)]
    assert len(seen) == 1, "no hook before submitting runs again"
    assert [(one.code, one.data, one.actor) for one in outcomes] == [
        ("HOOK_RAISED", outcomes[0].data, "ada"),
    ] * 2
    assert all(one.decider_now is not None for one in outcomes)
