"""What a reactor remembers is a fold of the log, and its deadlines come when nothing else did."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from commander import Domain
from commander.dev.embedded import EmbeddedNats
from commander.eventstore.reactions.reactors import forget_states, load_states, reactor_statuses
from commander.eventstore.records import RecordedEvent, SubmittedCommand
from commander.streaming.reactors.reacting import ReactorRunner
from commander.testing import Reactors
from tests.placed import Placed
from tests.streaming import points
from tests.streaming.conftest import PARTITIONS, Bank, running, until_reacted
from tests.streaming.orders import PATIENCE, Loyalty, Order, Pay, Payment, Ring, orders


def runner(servers: Bank, name: str, domain: Domain = orders, **options: Any) -> ReactorRunner:
    reactor = domain.reactors[name]
    return ReactorRunner(domain, servers.database, servers.nats, servers.submitter, reactor, **options)


async def until(servers: Bank, holds: Callable[[list[str]], bool]) -> list[RecordedEvent]:
    """The log, once its types are as wanted."""
    async with asyncio.timeout(20):
        while True:
            log = await servers.log()
            if holds([event.type for event in log]):
                return log
            await asyncio.sleep(0.02)


async def stored(servers: Bank, name: str) -> dict[str, str]:
    rows = await servers.database.fetch("select key, state from reactor_states where reactor = $1", name)
    return {row["key"]: row["state"] for row in rows}


async def folded(servers: Bank, name: str) -> dict[str, str]:
    """What the states must be: the log up to the checkpoint, folded in memory."""
    _, statuses = await reactor_statuses(servers.database)
    position = next(one.position for one in statuses if one.name == name)
    memory = Reactors(orders, name)
    for event in (await servers.log())[:position]:
        if (type_ := orders.events.get(event.type)) is not None:
            memory.react(type_.decode(event.data, event.position))
    return {key: orders.reactors[name].encode(state) for (_, key), state in memory.states.items()}


async def orders_of(servers: Bank, *customers: str) -> list[UUID]:
    ids = [uuid4() for _ in customers]
    for order_id, customer in zip(ids, customers, strict=True):
        last = await servers.submit(Order(order_id, customer), orders)
    await servers.outcome(last)
    return ids


async def test_what_is_not_paid_in_time_is_abandoned_and_what_is_paid_is_shipped(servers: Bank) -> None:
    async with running(servers.processor(orders).run()), running(runner(servers, "payment").run()):
        paid, unpaid = await orders_of(servers, "Ada", "Bob")
        await servers.submit(Pay(paid), orders)
        log = await until(servers, lambda types: "Abandoned" in types and "Shipped" in types)
        await until_reacted(servers, "payment")
        assert await stored(servers, "payment") == {}
    ends = {event.type: event for event in log if event.type in ("Abandoned", "Shipped")}
    ordered = {event.stream: event for event in log if event.type == "Ordered"}
    assert ends["Shipped"].stream == f"oneOrder-{paid}"
    assert ends["Abandoned"].stream == f"oneOrder-{unpaid}"
    assert ends["Abandoned"].recorded_at - ordered[f"oneOrder-{unpaid}"].recorded_at >= PATIENCE
    assert ends["Abandoned"].causation_position == ordered[f"oneOrder-{unpaid}"].position


async def test_a_deadline_that_is_met_is_taken_back(servers: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.streaming.orders.PATIENCE", timedelta(hours=1))
    async with running(servers.processor(orders).run()), running(runner(servers, "payment").run()):
        [paid, _] = await orders_of(servers, "Ada", "Bob")
        await until_reacted(servers, "payment")
        assert len(await scheduled(servers)) == 2
        await servers.submit(Pay(paid), orders)
        await until(servers, lambda types: "Shipped" in types)
        await until_reacted(servers, "payment")
        assert len(await scheduled(servers)) == 1


async def test_the_states_are_a_fold_of_the_log_and_events_of_a_key_keep_their_order(servers: Bank) -> None:
    customers = [f"customer {n % 4}" for n in range(60)]
    processor = servers.processor(orders, batch_size=7)
    async with running(processor.run()), running(runner(servers, "loyalty").run()):
        await orders_of(servers, *customers)
        log = await until(servers, lambda types: types.count("Rewarded") == 20)
        await until_reacted(servers, "loyalty")
    states = await stored(servers, "loyalty")
    assert states == await folded(servers, "loyalty") == {f"customer {n}": '{"orders":15}' for n in range(4)}
    for customer in states:
        counts = [e.data for e in log if e.type == "Rewarded" and customer in e.data]
        assert counts == [f'{{"customer":"{customer}","orders":{n}}}' for n in (3, 6, 9, 12, 15)]


async def test_killed_between_sending_and_saving_it_counts_and_sends_once(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = 0

    async def die(*_: object, **__: object) -> None:
        nonlocal died
        died += 1
        raise RuntimeError("killed before the checkpoint was saved")

    async with running(servers.processor(orders).run()):
        await orders_of(servers, "Ada", "Ada", "Ada", "Bob")
        with monkeypatch.context() as patched:
            patched.setattr("commander.streaming.reactors.reacting.save_reactor", die)
            for _ in range(2):
                with pytest.raises(RuntimeError, match="killed"):
                    await runner(servers, "loyalty").run()
        async with running(runner(servers, "loyalty").run()):
            await until(servers, lambda types: "Rewarded" in types)
            await until_reacted(servers, "loyalty")
    assert died == 2
    assert [event.type for event in await servers.log()].count("Rewarded") == 1
    assert await stored(servers, "loyalty") == await folded(servers, "loyalty")


async def test_it_stops_before_an_event_it_fails_on_and_its_states_with_it(servers: Bank) -> None:
    failing = runner(servers, "loyalty", most_parked=0)
    async with running(servers.processor(orders).run()):
        await orders_of(servers, "Ada", "Ada", "poison", "Ada")
        async with running(failing.run()), asyncio.timeout(10):
            while failing.failure is None:
                await asyncio.sleep(0.01)
    assert failing.failure == Placed("RuntimeError: boom")
    _, [status] = await reactor_statuses(servers.database)
    assert (status.position, status.folded_position, status.failed_position) == (2, 2, 3)
    assert (status.partitions, status.stopped) == (PARTITIONS, 1)
    assert await stored(servers, "loyalty") == {"Ada": '{"orders":3}'}, "another partition's key goes on"


async def test_states_that_are_lost_are_made_again_from_the_log_without_sending_anything(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(servers.processor(orders).run()), running(runner(servers, "loyalty").run()):
        await orders_of(servers, *["Ada", "Bob"] * 5)
        await until(servers, lambda types: types.count("Rewarded") == 2)
        await until_reacted(servers, "loyalty")
    before, log = await stored(servers, "loyalty"), await servers.log()
    async with servers.database.connection() as connection:
        await forget_states(connection, "loyalty")
        assert await load_states(connection, "loyalty", ["Ada"]) == {}
    _, [status] = await reactor_statuses(servers.database)
    assert (status.position, status.folded_position) == (len(log), 0)
    monkeypatch.setattr(servers.submitter, "submit", None)  # it would raise
    monkeypatch.setattr("commander.streaming.reactors.replaying._BATCH", 3)
    again = runner(servers, "loyalty")
    async with running(again.run()), asyncio.timeout(10):
        while await stored(servers, "loyalty") != before:
            await asyncio.sleep(0.01)
    assert again.failure is None
    assert await servers.log() == log


async def test_a_deadline_outlives_its_reactor_and_the_broker(
    servers: Bank, nats_server: EmbeddedNats
) -> None:
    async with running(servers.processor(orders).run()), running(runner(servers, "payment").run()):
        await orders_of(servers, "Ada")
        await until_reacted(servers, "payment")
    await nats_server.stop()
    await nats_server.start()
    async with asyncio.timeout(20):
        while not servers.nats.connected:
            await asyncio.sleep(0.02)
    async with running(servers.processor(orders).run()):
        await until(servers, lambda types: "Abandoned" in types)


async def test_a_deadline_that_the_broker_has_lost_is_set_again(servers: Bank) -> None:
    async with running(servers.processor(orders).run()):
        async with running(runner(servers, "payment").run()):
            await orders_of(servers, "Ada")
            await until_reacted(servers, "payment")
        await servers.nats.jetstream.purge_stream("COMMANDS", subject="commands.scheduled.>")
        assert await stored(servers, "payment") != {}
        async with running(runner(servers, "payment").run()):
            log = await until(servers, lambda types: "Abandoned" in types)
    assert [event.type for event in log].count("Abandoned") == 1


async def test_a_deadline_that_crosses_its_answer_is_refused_by_who_decides(servers: Bank) -> None:
    async with running(servers.processor(orders).run()):
        [order] = await orders_of(servers, "Ada")
        async with running(runner(servers, "payment").run()):
            await until_reacted(servers, "payment")
        await asyncio.gather(servers.submit(Pay(order), orders), _due(servers))
        async with running(runner(servers, "payment").run()):
            log = await until(servers, lambda types: "Shipped" in types or "Abandoned" in types)
    ends = [event.type for event in log if event.type in ("Shipped", "Abandoned")]
    assert len(ends) == 1


async def armed(servers: Bank, order: UUID) -> SubmittedCommand:
    """The deadline in the state of this order."""
    async with servers.database.connection() as connection:
        states = await load_states(connection, "payment", [str(order)])
    [deadline] = states[str(order)].deadlines
    return deadline


async def test_a_deadline_that_was_queued_before_it_was_cancelled_is_void_when_it_fires(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.streaming.orders.PATIENCE", timedelta(hours=1))
    async with running(servers.processor(orders).run()):
        async with running(runner(servers, "payment").run()):
            [paid, unpaid] = await orders_of(servers, "Ada", "Bob")
            await until_reacted(servers, "payment")
            deadlines = [await armed(servers, order) for order in (paid, unpaid)]
            await servers.submit(Pay(paid), orders)
            await until(servers, lambda types: "Shipped" in types)
            await until_reacted(servers, "payment")
        for deadline in deadlines:
            await servers.submitter.submit(replace(deadline, not_before=None))
        outcomes = [await servers.outcome(deadline.command_id) for deadline in deadlines]
    assert [outcome.status for outcome in outcomes] == ["REJECTED", "APPLIED"]
    assert outcomes[0].code == "DEADLINE_CANCELLED"
    assert "ReactionRejected" not in [event.type for event in await servers.log()]


async def test_while_states_are_rebuilt_no_deadline_counts_as_cancelled(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.streaming.orders.PATIENCE", timedelta(hours=1))
    async with running(servers.processor(orders).run()):
        async with running(runner(servers, "payment").run()):
            [order] = await orders_of(servers, "Ada")
            await until_reacted(servers, "payment")
        deadline = await armed(servers, order)
        async with servers.database.connection() as connection:
            await forget_states(connection, "payment")
        await servers.submitter.submit(replace(deadline, not_before=None))
        assert (await servers.outcome(deadline.command_id)).status == "APPLIED"


async def _due(servers: Bank) -> None:
    """Returns when no deadline is waiting any more."""
    async with asyncio.timeout(10):
        while True:
            if not await scheduled(servers):
                return
            await asyncio.sleep(0.02)


async def scheduled(servers: Bank) -> list[str]:
    """The subjects of the commands whose time has not come."""
    info = await servers.nats.jetstream.stream_info("COMMANDS", subjects_filter="commands.scheduled.>")
    return list(info.state.subjects or {})


async def test_a_command_for_later_is_sent_later_and_once(servers: Bank) -> None:
    async with running(servers.processor(orders).run()), running(runner(servers, "echo").run()):
        await servers.submit(Ring("slow"), orders)
        log = await until(servers, lambda types: len(types) == 2)
    assert log[1].recorded_at - log[0].recorded_at >= PATIENCE
    assert log[1].causation_position == 1


@pytest.mark.parametrize("bell", ["loop", "bad"])
async def test_a_loop_of_reactions_ends_as_a_dead_letter(servers: Bank, bell: str) -> None:
    async with running(servers.processor(orders).run()), running(runner(servers, "echo").run()):
        await servers.submit(Ring(bell), orders)
        async with asyncio.timeout(30):
            while not (failed := await _failed(servers)):
                await asyncio.sleep(0.05)
        await until_reacted(servers, "echo")
        assert await _failed(servers) == failed
    [(code, message)] = failed
    assert code == "CAUSATION_TOO_DEEP"
    assert message == "101 reactions in a row led to it; 100 is the limit"
    assert len(await servers.log()) == 101


async def _failed(servers: Bank) -> list[tuple[str, str]]:
    rows = await servers.database.fetch("select code, message from commands where status = 'FAILED'")
    return [(row["code"], row["message"]) for row in rows]


def test_the_states_of_these_tests_are_their_classes() -> None:
    assert orders.reactors["payment"].decode('{"customer":"Ada"}') == Payment("Ada")
    assert orders.reactors["loyalty"].decode('{"orders":2}') == Loyalty(2)


async def test_states_that_other_code_made_are_told_and_kept(
    servers: Bank, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old, new = points.version(tmp_path, "amount"), points.version(tmp_path, "amount * 100")

    async def bought(version: Any, amount: int) -> None:
        processor, counting = servers.processor(version.shop), runner(servers, "counting", version.shop)
        async with running(processor.run()), running(counting.run()):
            await servers.outcome(await servers.submit(version.Buy("Ada", amount), version.shop))
            await until_reacted(servers, "counting")

    warning = "the states of the reactor counting were made by other code"
    await bought(old, 1)
    await bought(old, 2)
    assert warning not in caplog.text
    await bought(new, 3)
    assert caplog.text.count(warning) == 1
    assert await stored(servers, "counting") == {"Ada": '{"points":303}'}, (
        "1, 2 by the old rule, 3 by the new"
    )
    async with servers.database.connection() as connection:
        await forget_states(connection, "counting")
    await bought(new, 4)
    assert caplog.text.count(warning) == 1
    assert await stored(servers, "counting") == {"Ada": '{"points":1000}'}
    assert len(await servers.log()) == 4, "nothing was sent"
