"""Effects: each event at least once, with one key, few at a time, and never for history."""

from __future__ import annotations

import asyncio
from collections import Counter
from uuid import uuid4

import asyncpg
import pytest

from commander.domain.errors import NotFound
from commander.eventstore.reactions.effects import (
    act_on_effect,
    effect_actions,
    effect_positions,
    list_effect_failures,
    open_effect_failures,
)
from commander.streaming.effects.attempts import Backoff
from tests.placed import Placed
from tests.streaming.conftest import Bank, running
from tests.streaming.post import Empty, Office, begun, post, runner, until, written


async def test_each_event_is_called_once_while_nothing_fails(servers: Bank) -> None:
    office = Office()
    one = runner(servers, office)
    await begun(servers, office)
    async with running(servers.processor(post).run()), running(one.run()):
        box = uuid4()
        await written(servers, "a", "b", "c", box=box)
        await servers.outcome(await servers.submit(Empty(box), post))
        await until(lambda: one.position == 4)
    assert sorted(office.texts) == ["a", "b", "c"]
    [call] = [call for text, call in office.calls if text == "b"]
    event = (await servers.log())[1]
    assert (call.position, call.attempt, call.stream) == (2, 1, f"box-{box}")
    assert (call.correlation_id, call.recorded_at) == (event.correlation_id, event.recorded_at)
    assert await effect_positions(servers.database) == {"send": 4}


async def test_a_new_effect_is_not_called_for_history(servers: Bank) -> None:
    office = Office()
    one = runner(servers, office)
    async with running(servers.processor(post).run()):
        await written(servers, "old")
        async with running(one.run()):
            await until(lambda: one.position == 1)
            await written(servers, "new")
            await until(lambda: one.position == 2)
    assert office.texts == ["new"]


async def test_what_fails_is_tried_again_with_its_key_and_holds_up_nobody(servers: Bank) -> None:
    office, failures = Office(), Counter[str]()

    async def twice_in_vain(text: str) -> None:
        failures[text] += 1
        if text == "bad" and failures[text] < 3:
            raise OSError("no answer")

    office.answer = twice_in_vain
    one = runner(servers, office)
    await begun(servers, office)
    async with running(servers.processor(post).run()), running(one.run()):
        await written(servers, "bad", "good")
        await until(lambda: one.position == 2)
    assert Counter(office.texts) == {"bad": 3, "good": 1}
    tries = [call for text, call in office.calls if text == "bad"]
    assert [call.attempt for call in tries] == [1, 2, 3]
    assert len({call.key for call in tries}) == 1
    assert await list_effect_failures(servers.database, 10) == []


async def test_out_of_attempts_it_is_a_dead_letter_that_can_be_retried_or_dropped(servers: Bank) -> None:
    office, mended = Office(), asyncio.Event()

    async def broken(text: str) -> None:
        if text.startswith("bad") and not mended.is_set():
            raise OSError("closed\0")

    office.answer = broken
    one = runner(servers, office, attempts=2)
    await begun(servers, office)
    async with running(servers.processor(post).run()), running(one.run()):
        await written(servers, "bad 1", "good", "bad 2")
        await until(lambda: one.position == 3)
        failed = await list_effect_failures(servers.database, 10)
        shown = [(one.effect, one.position, one.state, one.attempts, one.error) for one in failed]
        assert sorted(shown) == [
            ("send", 1, "FAILED", 2, Placed("OSError: closed�")),
            ("send", 3, "FAILED", 2, Placed("OSError: closed�")),
        ]
        assert await open_effect_failures(servers.database) == {"send": 2}
        await act_on_effect(servers.database, "send", 3, "DROPPED", "ada")
        await act_on_effect(servers.database, "send", 1, "RETRIED", "ada")
        async with asyncio.timeout(20):
            while (await list_effect_failures(servers.database, 10))[0].attempts < 4:
                await asyncio.sleep(0.01)
        mended.set()
        await act_on_effect(servers.database, "send", 1, "RETRIED", "bob")
        async with asyncio.timeout(20):
            while await list_effect_failures(servers.database, 10):
                await asyncio.sleep(0.01)
    actions = await effect_actions(servers.database, "send", 1)
    assert [(one.action, one.actor) for one in actions] == [("RETRIED", "ada"), ("RETRIED", "bob")]
    assert Counter(office.texts) == {"bad 1": 5, "good": 1, "bad 2": 2}
    assert len({call.key for _, call in office.calls}) == 3
    for position in (1, 2, 3, 99):
        for action in ("RETRIED", "DROPPED"):
            with pytest.raises(NotFound, match="the effect send has no open dead letter"):
                await act_on_effect(servers.database, "send", position, action, None)


async def test_no_more_run_at_once_than_the_limit(servers: Bank) -> None:
    office, gate = Office(), asyncio.Event()

    async def wait(_: str) -> None:
        await gate.wait()

    office.answer = wait
    one = runner(servers, office, concurrency=3)
    await begun(servers, office)
    async with running(servers.processor(post).run()), running(one.run()):
        await written(servers, *map(str, range(8)))
        await until(lambda: office.at_once == 3 and one._store.read == 8)
        assert one.position == 0
        gate.set()
        await until(lambda: one.position == 8)
    assert office.most_at_once == 3


async def test_an_attempt_that_hangs_is_a_failed_one(servers: Bank) -> None:
    office = Office()

    async def hang(_: str) -> None:
        await asyncio.Event().wait()

    office.answer = hang
    one = runner(servers, office, attempts=1, timeout_seconds=0.05)
    await begun(servers, office)
    async with running(servers.processor(post).run()), running(one.run()):
        await written(servers, "x")
        await until(lambda: one.position == 1)
    [failed] = await list_effect_failures(servers.database, 10)
    assert failed.error.startswith("TimeoutError")


async def test_whoever_takes_over_calls_again_what_was_under_way_and_nothing_else(servers: Bank) -> None:
    office = Office()

    async def answer(text: str) -> None:
        if text == "slow":
            await asyncio.Event().wait()
        if text == "bad":
            raise OSError

    office.answer = answer
    first = runner(servers, office, attempts=1)
    await begun(servers, office)
    async with running(servers.processor(post).run()):
        async with running(first.run()):
            await written(servers, "done", "slow", "bad", "ahead")
            async with asyncio.timeout(20):
                while not await list_effect_failures(servers.database, 10) or len(office.calls) < 4:
                    await asyncio.sleep(0.01)
            await until(lambda: first.position == 1)
        office.answer = None
        second = runner(servers, office)
        async with running(second.run()):
            await until(lambda: second.position == 4)
    assert Counter(office.texts) == {"done": 1, "slow": 2, "bad": 1, "ahead": 1}
    slow = [call.key for text, call in office.calls if text == "slow"]
    assert slow[0] == slow[1]


async def test_who_loses_its_lock_goes_on_with_it_again(servers: Bank) -> None:
    office = Office()
    one = runner(servers, office)
    await begun(servers, office)
    async with running(servers.processor(post).run()), running(one.run()):
        await written(servers, "a")
        await until(lambda: one.position == 1)
        end = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1"
        await servers.database.fetch(end, "commander effect send")
        await written(servers, "b")
        await until(lambda: one.position == 2)
    assert set(office.texts) == {"a", "b"}


def test_pauses_grow_up_to_a_limit_and_differ() -> None:
    backoff = Backoff(1, 10)
    for attempt, full in ((1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (1000, 10)):
        pauses = {backoff.after(attempt) for _ in range(50)}
        assert full / 2 <= min(pauses) < max(pauses) <= full


async def test_a_state_that_is_none_of_these_is_refused_by_the_table(servers: Bank) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await servers.database.fetch("insert into effect_failures values ('send', 1, 'ODD', 1, 'x')")
