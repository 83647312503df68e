"""A reactor's keys are spread over processes: each key has one of them, in the order of the log."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from commander.eventstore.reactions.reactors import ReactorStatus, load_states, reactor_statuses
from commander.streaming.commands.messages import scheduled_subject
from commander.streaming.reactors.reacting import ReactorRunner
from tests.names import NAMES
from tests.placed import Placed
from tests.streaming.conftest import PARTITIONS, Bank, running, until_reacted
from tests.streaming.orders import Loyalty, Order, Ordered, Ring, orders
from tests.streaming.test_processes import folded, orders_of, runner, stored, until

CUSTOMERS = [f"customer {n}" for n in range(20)]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commander.streaming.reactors.reacting._REBALANCE_SECONDS", 0.1)
    monkeypatch.setattr("commander.streaming.reactors.reacting._RETRY_FAILED_SECONDS", 0.2)


async def until_owned(*owned: tuple[ReactorRunner, int]) -> None:
    async with asyncio.timeout(10):
        while any(len(one.owned) != count for one, count in owned):
            await asyncio.sleep(0.01)


async def standing(servers: Bank, holds: Callable[[ReactorStatus], bool]) -> ReactorStatus:
    """How the one reactor stands, once it stands as wanted."""
    async with asyncio.timeout(10):
        while True:
            _, found = await reactor_statuses(servers.database)
            if found and holds(found[0]):
                return found[0]
            await asyncio.sleep(0.02)


async def test_processes_share_a_reactor_and_take_over_from_one_that_is_gone(servers: Bank) -> None:
    one, two = runner(servers, "loyalty"), runner(servers, "loyalty")
    async with running(servers.processor(orders, batch_size=7).run()), AsyncExitStack() as leaving:
        await leaving.enter_async_context(running(one.run()))
        await until_owned((one, PARTITIONS))
        async with running(two.run()):
            await until_owned((one, PARTITIONS // 2), (two, PARTITIONS // 2))
            assert not set(one.owned) & set(two.owned)
            await orders_of(servers, *CUSTOMERS * 4)
            await until(servers, lambda types: types.count("Rewarded") == len(CUSTOMERS))
            await leaving.aclose()
            await until_owned((two, PARTITIONS))
            await orders_of(servers, *CUSTOMERS * 2)
            log = await until(servers, lambda types: types.count("Rewarded") == 2 * len(CUSTOMERS))
            await until_reacted(servers, "loyalty")
    assert await stored(servers, "loyalty") == await folded(servers, "loyalty")
    for customer in CUSTOMERS:
        rewards = [e.data for e in log if e.type == "Rewarded" and f'"{customer}"' in e.data]
        assert rewards == [f'{{"customer":"{customer}","orders":{n}}}' for n in (3, 6)]


async def test_each_event_is_handled_by_one_of_the_processes_alone(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: Counter[str] = Counter()
    original = Loyalty.ordered

    def counting(state: Loyalty, event: Ordered) -> object:
        seen[str(event.order_id)] += 1
        return original(state, event)

    monkeypatch.setitem(orders.reactors["loyalty"].reactions, Ordered, counting)
    one, two = runner(servers, "loyalty"), runner(servers, "loyalty")
    async with running(servers.processor(orders).run()), running(one.run()), running(two.run()):
        await until_owned((one, PARTITIONS // 2), (two, PARTITIONS // 2))
        sent = await orders_of(servers, *CUSTOMERS)
        await until_reacted(servers, "loyalty")
    assert seen == {str(order): 1 for order in sent}


async def test_more_processes_than_partitions_leave_some_standing_by(servers: Bank) -> None:
    runners = [runner(servers, "loyalty") for _ in range(PARTITIONS + 1)]
    async with AsyncExitStack() as stack:
        for one in runners:
            await stack.enter_async_context(running(one.run()))
        async with asyncio.timeout(10):
            while sorted(len(one.owned) for one in runners) != [0, *[1] * PARTITIONS]:
                await asyncio.sleep(0.02)


async def test_without_parked_keys_a_partition_stops_alone_and_goes_on_when_the_code_is_mended(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = runner(servers, "loyalty", most_parked=0)
    async with running(servers.processor(orders).run()), running(failing.run()):
        await orders_of(servers, "poison", *["Ada"] * 3)
        await until(servers, lambda types: "Rewarded" in types)
        stopped = await standing(servers, lambda now: now.stopped == 1)
        assert (stopped.position, stopped.failed_position, stopped.error) == (
            0,
            1,
            Placed("RuntimeError: boom"),
        )
        assert failing.failure == Placed("RuntimeError: boom")
        mended = lambda state, event: Loyalty(state.orders + 1)  # noqa: E731
        monkeypatch.setitem(orders.reactors["loyalty"].reactions, Ordered, mended)
        await until_reacted(servers, "loyalty")
        assert (await standing(servers, lambda now: now.stopped == 0)).error is None
        assert failing.failure is None
    assert await stored(servers, "loyalty") == {"Ada": '{"orders":3}', "poison": '{"orders":1}'}


async def test_an_event_that_cannot_be_read_may_be_anyones_and_stops_all(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(servers.processor(orders).run()):
        await orders_of(servers, "Ada", "Bob")
        await servers.database.fetch("alter table events disable trigger all")
        await servers.database.fetch("""update events set data = '{"customer": 7}' where position = 1""")
    async with running(runner(servers, "loyalty").run()):
        stopped = await standing(servers, lambda now: now.stopped == PARTITIONS)
    assert (stopped.position, stopped.failed_position) == (0, 1)
    assert stopped.error is not None
    assert stopped.error.startswith("UndecodableEvent: ")


async def test_without_a_key_the_events_of_a_stream_keep_their_order(servers: Bank) -> None:
    one, two = runner(servers, "echo"), runner(servers, "echo")
    async with running(servers.processor(orders).run()), running(one.run()), running(two.run()):
        await until_owned((one, PARTITIONS // 2), (two, PARTITIONS // 2))
        for bell in ("bad", "slow", "quiet", "other"):
            last = await servers.submit(Ring(bell), orders)
        await servers.outcome(last)
        log = await until(servers, lambda types: "ReactionRejected" in types and types.count("Rung") == 5)
    assert [event.data for event in log if event.causation_position and event.type == "Rung"] == [
        '{"bell":"answer"}'
    ]


async def test_states_are_made_again_partition_by_partition(servers: Bank) -> None:
    async with running(servers.processor(orders).run()):
        async with running(runner(servers, "loyalty").run()):
            await orders_of(servers, *CUSTOMERS * 3)
            log = await until(servers, lambda types: types.count("Rewarded") == len(CUSTOMERS))
            await until_reacted(servers, "loyalty")
        before = await stored(servers, "loyalty")
        await servers.database.fetch("update reactor_partitions set folded_position = 0 where partition < 2")
        keys = [key for key in CUSTOMERS if runner(servers, "loyalty")._reacting.partition_of(key) < 2]
        await servers.database.fetch("delete from reactor_states where key = any($1::text[])", keys)
        async with running(runner(servers, "loyalty").run()):
            await standing(servers, lambda now: now.folded_position == now.position)
            await servers.outcome(await servers.submit(Order(log[0].command_id, keys[0]), orders))
            await until_reacted(servers, "loyalty")
    expected = before | {keys[0]: '{"orders":4}'}
    assert await stored(servers, "loyalty") == expected
    assert [event.type for event in await servers.log()].count("Rewarded") == len(CUSTOMERS)


async def test_who_joins_sets_its_own_deadlines_again_and_the_others_stay(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.streaming.orders.PATIENCE", timedelta(hours=1))
    one, two = runner(servers, "payment"), runner(servers, "payment")

    async def sequences() -> dict[str, int]:
        """Where the deadline of each order is in COMMANDS. One that is set again is at its end."""
        keys = await stored(servers, "payment")
        async with servers.database.connection() as connection:
            states = await load_states(connection, "payment", keys)
        found = {}
        for key, state in states.items():
            [deadline] = state.deadlines
            subject = scheduled_subject(NAMES, deadline.command_id, deadline.correlation_id)
            found[key] = (await servers.nats.jetstream.get_last_msg("COMMANDS", subject)).seq or 0
        return found

    async with running(servers.processor(orders).run()), running(one.run()):
        await until_owned((one, PARTITIONS))
        orders_ = await orders_of(servers, *CUSTOMERS)
        await until_reacted(servers, "payment")
        before = await sequences()
        assert len(before) == len(orders_)
        async with running(two.run()):
            await until_owned((one, PARTITIONS // 2), (two, PARTITIONS // 2))
            moved = {key for key in before if one._reacting.partition_of(key) in two.owned}
            async with asyncio.timeout(10):
                while (after := await sequences()) and any(after[key] == before[key] for key in moved):
                    await asyncio.sleep(0.02)
            assert {key for key in before if after[key] == before[key]} == before.keys() - moved
            assert 0 < len(moved) < len(before)
