"""Calls that ran when their process ended: made again alone, before all else, or set aside."""

from __future__ import annotations

import asyncio

import pytest

from commander.eventstore.reactions.effects import act_on_effect, list_effect_failures
from commander.streaming.effects.attempts import CallExclusion
from tests.streaming.conftest import Bank, running
from tests.streaming.post import Emptied, Office, broken, calls, interrupted, logged, runner, until

ENDED = "the process ended during the call"


@pytest.mark.parametrize(
    ("rows", "attempt"),
    [
        ([("send", 1, 1, "RUNNING")], 2),
        ([("send", 1, 1, "ALONE")], 2),
        ([("send", 1, 2, "ALONE")], None),
        ([("send", 1, 2, "RUNNING")], None),
        ([("send", 1, 2, "RUNNING"), ("other", 9, 1, "RUNNING")], 3),
        ([("send", 1, 2, "ALONE"), ("other", 9, 1, "RUNNING")], None),
        ([("send", 1, 1, "WAITING")], 2),
    ],
)
async def test_out_of_attempts_a_call_is_set_aside_if_it_was_alone_when_its_process_ended(
    servers: Bank, rows: list[tuple[str, int, int, str]], attempt: int | None
) -> None:
    office = Office()
    await logged(servers, office, "a")
    await interrupted(servers, *rows)
    one = runner(servers, office, attempts=2)
    async with running(one.run()):
        await until(lambda: one.position == 1)
    assert [call.attempt for _, call in office.calls] == ([] if attempt is None else [attempt])
    failed = [(one.attempts, one.error) for one in await list_effect_failures(servers.database, 10)]
    assert failed == ([(2, ENDED)] if attempt is None else [])
    assert await calls(servers) == []


async def test_what_was_under_way_is_called_before_all_else_one_by_one_the_least_tried_first(
    servers: Bank,
) -> None:
    office, seen = Office(), list[tuple[int, int]]()

    async def slow(text: str) -> None:
        seen.append((office.at_once, one.position))
        await asyncio.sleep(0.05)
        if text == "e" and office.texts.count("e") == 1:
            raise OSError

    office.answer = slow
    await logged(servers, office, *"abcdef")
    await interrupted(servers, ("send", 2, 2, "ALONE"), ("send", 3, 1, "RUNNING"), ("send", 5, 1, "RUNNING"))
    await interrupted(servers, ("send", 4, 1, "DONE"))
    one = runner(servers, office)
    async with running(one.run()):
        await until(lambda: one.position == 6)
    assert office.texts[:3] == ["c", "e", "b"]
    assert sorted(office.texts[3:]) == ["a", "e", "f"]
    assert seen[:3] == [(1, 0)] * 3
    assert await calls(servers) == []


async def test_who_is_alone_waits_for_those_under_way_and_for_another_who_is() -> None:
    exclusion, inside, done = CallExclusion(), list[str](), asyncio.Event()

    async def alone(name: str) -> None:
        async with exclusion.exclusive():
            inside.append(name)
            await done.wait()

    async def turns() -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    exclusion.set_running("one", 1)
    exclusion.set_running("other", 1)
    async with asyncio.TaskGroup() as group:
        for name in ("a", "b"):
            group.create_task(alone(name))
        await turns()
        exclusion.set_running("one", 0)
        await turns()
        assert (inside, exclusion.closed is None) == ([], False)
        exclusion.set_running("other", 0)
        await turns()
        assert inside == ["a"]
        done.set()
    assert (inside, exclusion.closed) == (["a", "b"], None)


async def test_while_a_call_is_made_alone_no_other_effect_of_the_process_calls(servers: Bank) -> None:
    exclusion, alone, beside, gate = CallExclusion(), Office(), Office(), asyncio.Event()

    async def wait(_: str) -> None:
        await gate.wait()

    alone.answer = beside.answer = wait
    await logged(servers, alone, "a", "b", "c")
    await interrupted(servers, ("send", 3, 1, "RUNNING"))
    await servers.database.fetch("insert into effects values ('other', 0)")
    other = runner(servers, beside, name="other", concurrency=1, exclusion=exclusion)
    one = runner(servers, alone, exclusion=exclusion)
    async with running(other.run()):
        await until(lambda: beside.texts == ["a"])
        async with running(one.run()):
            await until(lambda: exclusion.closed is not None)
            gate.set()
            gate.clear()
            await until(lambda: alone.texts == ["c"])
            await until(lambda: other.position == 1)
            assert beside.texts == ["a"]
            gate.set()
            await until(lambda: (one.position, other.position) == (3, 3))
    assert (sorted(alone.texts), beside.texts) == (["a", "b", "c"], ["a", "b", "c"])


async def test_a_call_does_not_seem_alone_because_another_effect_was_faster_to_set_its_own_aside(
    servers: Bank,
) -> None:
    exclusion, guilty, innocent = CallExclusion(), Office(), Office()
    await logged(servers, guilty, "a")
    await servers.database.fetch("insert into effects values ('other', 0)")
    await interrupted(servers, ("send", 1, 2, "ALONE"), ("other", 1, 2, "RUNNING"))
    for name, office in (("send", guilty), ("other", innocent)):
        one = runner(servers, office, name=name, attempts=2, exclusion=exclusion)
        async with running(one.run()):
            await until(lambda one=one: one.position == 1)  # type: ignore[misc]
    assert [f.effect for f in await list_effect_failures(servers.database, 10)] == ["send"]
    assert ([call.attempt for _, call in innocent.calls], guilty.calls) == ([3], [])


async def test_a_retried_dead_letter_that_ended_its_process_goes_on_with_its_attempts(servers: Bank) -> None:
    office = Office(answer=broken)
    await logged(servers, office, "a", "b", "c")
    one = runner(servers, office, attempts=1)
    async with running(one.run()):
        await until(lambda: one.position == 3)
    for position, attempts, state in ((1, 3, "ALONE"), (2, 3, "RUNNING"), (3, 1, "WAITING")):
        await act_on_effect(servers.database, "send", position, "RETRIED", None)
        await interrupted(servers, ("send", position, attempts, state))
    office.answer = None
    again = runner(servers, office, attempts=3)
    async with running(again.run()):
        async with asyncio.timeout(20):
            while len(found := await list_effect_failures(servers.database, 10)) != 1:
                await asyncio.sleep(0.01)
            await until(lambda: len(office.calls) == 5)
        assert [(f.position, f.state, f.attempts, f.error) for f in found] == [(1, "FAILED", 4, ENDED)]
    assert [(text, call.attempt) for text, call in office.calls[3:]] == [("b", 4), ("c", 2)]
    assert await calls(servers) == []


async def test_what_the_code_takes_no_more_is_forgotten_or_a_dead_letter_again(servers: Bank) -> None:
    office = Office(answer=broken)
    await logged(servers, office, "a", "b", "c")
    one = runner(servers, office, attempts=1, concurrency=1)
    async with running(one.run()):
        await until(lambda: one.position == 3)
    await servers.database.fetch("delete from effect_failures where position > 1")
    await servers.database.fetch("update effects set position = 1")
    await act_on_effect(servers.database, "send", 1, "RETRIED", None)
    await interrupted(servers, ("send", 2, 1, "RUNNING"), ("send", 3, 1, "WAITING"))
    other = runner(servers, office, events=Emptied)
    async with running(other.run()):
        async with asyncio.timeout(20):
            while [f.state for f in await list_effect_failures(servers.database, 10)] != ["FAILED"]:
                await asyncio.sleep(0.01)
        await until(lambda: other.position == 3)
    [failed] = await list_effect_failures(servers.database, 10)
    assert failed.error == "send no longer takes Written"
    assert len(office.calls) == 3
    assert await calls(servers) == []
