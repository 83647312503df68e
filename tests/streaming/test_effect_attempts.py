"""Attempts of effects are counted in Postgres, and go on after a restart; what is broken off is not one."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from uuid import uuid4

import pytest

from commander.eventstore.reactions.effects import act_on_effect, list_effect_failures
from commander.streaming.effects.attempts import Backoff
from tests.placed import Placed
from tests.streaming.conftest import Bank, running
from tests.streaming.post import (
    Empty,
    Office,
    begun,
    broken,
    calls,
    hanging,
    logged,
    post,
    runner,
    until,
    written,
)

LOSE = """select pg_terminate_backend(pid) from pg_stat_activity
          where application_name = 'commander effect send'"""


async def test_attempts_go_on_counting_after_a_restart(servers: Bank) -> None:
    office = Office(answer=broken)
    await logged(servers, office, "a")
    first = runner(servers, office, attempts=3, backoff=Backoff(60, 60))
    async with running(first.run()):
        async with asyncio.timeout(20):
            while await calls(servers) != [(1, 1, "WAITING")]:
                await asyncio.sleep(0.01)
    second = runner(servers, office, attempts=3)
    async with running(second.run()):
        await until(lambda: second.position == 1)
    assert [call.attempt for _, call in office.calls] == [1, 2, 3]
    [failed] = await list_effect_failures(servers.database, 10)
    assert (failed.attempts, failed.error) == (3, Placed("OSError: no answer"))
    assert await calls(servers) == []


async def test_what_is_broken_off_in_good_order_has_its_attempt_back(servers: Bank) -> None:
    office = Office(answer=hanging)
    await logged(servers, office, "a", "b")
    for times in (1, 2):
        async with running(runner(servers, office, attempts=1).run()):
            await until(lambda times=times: len(office.calls) == 2 * times)  # type: ignore[misc]
            assert await calls(servers) == [(1, 1, "RUNNING"), (2, 1, "RUNNING")]
        assert await calls(servers) == []
    office.answer = None
    last = runner(servers, office, attempts=1)
    async with running(last.run()):
        await until(lambda: last.position == 2)
    assert [call.attempt for _, call in office.calls] == [1] * 6
    assert await list_effect_failures(servers.database, 10) == []


async def test_what_is_done_all_the_same_while_the_process_stops_is_not_called_again(servers: Bank) -> None:
    office = Office()

    async def sent_all_the_same(_: str) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    office.answer = sent_all_the_same
    await logged(servers, office, "a")
    async with running(runner(servers, office).run()):
        await until(lambda: office.texts == ["a"])
    last = runner(servers, office)
    async with running(last.run()):
        await until(lambda: last.position == 1)
    assert office.texts == ["a"]


async def test_what_ends_while_postgres_is_lost_is_not_called_again(servers: Bank) -> None:
    office = Office()

    async def lose_it(_: str) -> None:
        await servers.database.fetch(LOSE)

    office.answer = lose_it
    await logged(servers, office, "a")
    one = runner(servers, office)
    async with running(one.run()):
        await until(lambda: one.position == 1)
    assert office.texts == ["a"]


@pytest.mark.parametrize("taken_over", [False, True])
async def test_a_lost_connection_uses_up_no_attempt_unless_another_had_the_call(
    servers: Bank, taken_over: bool
) -> None:
    office = Office(answer=hanging)
    await logged(servers, office, "a")
    one = runner(servers, office, attempts=5)
    async with running(one.run()):
        await until(lambda: len(office.calls) == 1)
        office.answer = None
        if taken_over:
            await servers.database.fetch("update effect_calls set attempts = 2, state = 'ALONE'")
        await servers.database.fetch(LOSE)
        await until(lambda: one.position == 1)
    assert [call.attempt for _, call in office.calls] == ([1, 3] if taken_over else [1, 1])


@pytest.mark.parametrize("error", [SystemExit(3), asyncio.CancelledError(), OSError("\udcff")])
async def test_whatever_a_call_raises_is_its_failure_alone(servers: Bank, error: BaseException) -> None:
    office = Office()

    async def raises(text: str) -> None:
        if text == "bad":
            raise error

    office.answer = raises
    await logged(servers, office, "bad", "good")
    one = runner(servers, office, attempts=2)
    async with running(one.run()):
        await until(lambda: one.position == 2)
    assert Counter(office.texts) == {"bad": 2, "good": 1}
    [failed] = await list_effect_failures(servers.database, 10)
    assert (failed.position, failed.attempts) == (1, 2)
    assert failed.error.startswith(type(error).__name__)


async def test_nothing_is_stored_of_events_that_an_effect_does_not_take(servers: Bank) -> None:
    office, box = Office(), uuid4()
    await begun(servers, office)
    async with running(servers.processor(post).run()):
        await written(servers, "a", box=box)
        for _ in range(3):
            await servers.outcome(await servers.submit(Empty(box), post))
    await servers.database.fetch("alter table effect_calls add check (position = 1)")
    one = runner(servers, office)
    async with running(one.run()):
        await until(lambda: one.position == 4)
    assert office.texts == ["a"]


async def test_a_retried_call_stays_counted_while_the_checkpoint_passes_it(servers: Bank) -> None:
    office, closed, gate = Office(), asyncio.Event(), asyncio.Event()

    async def answer(text: str) -> None:
        if office.texts.count("bad") == 1 and text == "bad":
            raise OSError
        await (closed if text == "bad" else gate).wait()

    office.answer = answer
    await logged(servers, office, "slow", "bad")
    one = runner(servers, office, attempts=1)
    async with running(one.run()):
        async with asyncio.timeout(20):
            while not await list_effect_failures(servers.database, 10):
                await asyncio.sleep(0.01)
        await act_on_effect(servers.database, "send", 2, "RETRIED", None)
        await until(lambda: office.texts.count("bad") == 2)
        gate.set()
        await until(lambda: one.position == 2)
        assert await calls(servers) == [(2, 1, "RUNNING")]
        closed.set()
        async with asyncio.timeout(20):
            while await calls(servers):
                await asyncio.sleep(0.01)
    assert await list_effect_failures(servers.database, 10) == []
