"""Hooks on the way of commands that a domain sends itself: what they refuse has an outcome all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import pytest

from commander.domain import InvalidCommand, Origin
from commander.eventstore.records import RecordedEvent
from commander.streaming.commands.assembling import MAX_COMMAND_BYTES, Envelope, assembled, tick_id
from commander.streaming.nats.clock import Clock
from commander.streaming.reactors.reacting import ReactorRunner
from commander.streaming.reactors.recurring import Ticker
from tests.streaming.conftest import Bank, running, until_reacted
from tests.streaming.parking import Charge, Enter, Entered, banned, parking, seen

MIDNIGHT = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def nobody_is_banned() -> Iterator[None]:
    seen.clear()
    yield
    banned.clear()


def runner(servers: Bank) -> ReactorRunner:
    return ReactorRunner(parking, servers.database, servers.nats, servers.submitter, parking.reactors["till"])


async def test_a_reactors_command_that_a_hook_rejects_has_its_outcome_and_the_reactor_hears_of_it(
    servers: Bank,
) -> None:
    async with running(servers.processor(parking).run()), running(runner(servers).run()):
        await servers.submit(Enter(uuid4(), "A"), parking)
        await servers.outcome(await servers.submit(Enter(uuid4(), "FREE"), parking))
        async with asyncio.timeout(15):
            while not {"Charged", "Waived"} <= {event.type for event in await servers.log()}:
                await asyncio.sleep(0.02)
        await until_reacted(servers, "till")
    log = await servers.log()
    assert sorted(event.type for event in log) == [
        *("Charged", "Entered", "Entered", "ReactionRejected", "Waived"),
    ]
    refused = next(event for event in log if event.type == "ReactionRejected")
    outcome = await servers.outcome(refused.command_id)
    assert (outcome.type, outcome.status, outcome.code) == ("Charge", "REJECTED", "BANNED")
    assert (outcome.message, outcome.decider_now) == ("FREE is banned", None)
    entered = {event.position: event.recorded_at for event in log if event.type == "Entered"}
    contexts = [context for context in seen if context.origin is Origin.REACTOR]
    assert {context.now for context in contexts} >= set(entered.values()), "the time of the event"


async def test_a_hook_that_goes_wrong_parks_the_reactors_key_and_says_why(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.streaming.parking.banned", None)  # which the hook then trips over
    async with running(servers.processor(parking).run()), running(runner(servers).run()):
        await servers.submit(Enter(uuid4(), "A"), parking)
        async with asyncio.timeout(15):
            while not (failed := await failures(servers)):
                await asyncio.sleep(0.02)
    (error,) = failed
    assert "HookFailed: the before_submit hook refuse_banned" in error
    assert "raised TypeError" in error


async def failures(servers: Bank) -> list[str]:
    rows = await servers.database.fetch("select error from reactor_failures")
    return [row["error"] for row in rows]


async def test_a_recurring_command_that_a_hook_rejects_has_its_outcome_and_the_others_go_on(
    servers: Bank,
) -> None:
    ids = [tick_id("night_guard", MIDNIGHT, n) for n in (0, 1)]
    async with running(servers.processor(parking).run()):
        one = Ticker(
            parking,
            servers.database,
            servers.nats,
            servers.submitter,
            now=lambda: MIDNIGHT - timedelta(seconds=1),
        )
        connection = await servers.database.connect("a holder of the lock")
        await one.set_next(connection)
        connection.terminate()
        guard, refused = [await servers.outcome(one) for one in ids]
    assert (guard.status, refused.status, refused.code) == ("APPLIED", "REJECTED", "BANNED")
    event = parking.events["Entered"].decode((await servers.log())[0].data, 1)
    assert event == Entered(UUID(int=1), "GUARD", MIDNIGHT, "every night_guard")
    assert {(context.origin, context.now) for context in seen} == {(Origin.RECURRING, MIDNIGHT)}


def recorded(**given: Any) -> RecordedEvent:
    values: dict[str, Any] = {"position": 7, "stream": "car-1", "version": 1, "type": "Entered"}
    values |= {"schema_version": 1, "data": "{}", "command_id": uuid4(), "correlation_id": uuid4()}
    return RecordedEvent(**values, causation_position=None, recorded_at=MIDNIGHT, **given)


def test_a_reaction_that_is_repeated_is_the_same_command_with_the_same_content() -> None:
    event, made = recorded(), []
    clock = Clock()
    for now in (MIDNIGHT, MIDNIGHT + timedelta(days=1)):
        clock.set(now, monotonic())
        envelope = Envelope.of_reaction("till", event, 0, 3, clock, traceparent=None, after=None)
        made.append(assembled(parking, Enter(UUID(int=3), "a"), envelope))
    first, again = made
    assert (first.command_id, bytes(first.data), first.digest) == (
        again.command_id,
        bytes(again.data),
        again.digest,
    )
    assert (first.depth, first.causation_position, first.correlation_id) == (4, 7, event.correlation_id)
    assert first.digest == parking.commands["Enter"].digest(Enter(UUID(int=3), "a")), "as it was sent"


def test_a_command_that_no_message_holds_is_refused_whoever_sends_it() -> None:
    envelope = Envelope.of_tick("night_guard", MIDNIGHT, 0, MIDNIGHT)
    with pytest.raises(InvalidCommand, match=f"{MAX_COMMAND_BYTES} is the limit"):
        assembled(parking, Charge(UUID(int=3), "x" * MAX_COMMAND_BYTES), envelope)
    with pytest.raises(TypeError, match="Entered is an event; only commands are submitted"):
        assembled(parking, Entered(UUID(int=3), "a", None, None), envelope)
