"""A key of a reactor whose event failed is parked: its later events wait in order, the other keys go on."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from commander.dev.embedded import EmbeddedNats
from commander.domain.errors import NotFound
from commander.eventstore.database import Database
from commander.eventstore.reactions.handled import completed_positions
from commander.eventstore.reactions.parked import ParkedKey, act_on_parked, list_parked, parked_actions
from commander.eventstore.reactions.reactors import (
    forget_states,
    reactor_positions,
    reactor_statuses,
)
from commander.streaming.reactors.reacting import ReactorRunner
from tests.faults.part_process import PartProcess
from tests.faults.waiting import until as until_true
from tests.placed import Placed
from tests.streaming.conftest import PARTITIONS, Bank, running, until_reacted
from tests.streaming.orders import Paid, Pay, orders
from tests.streaming.tanks import Fill, tanks
from tests.streaming.test_processes import orders_of, stored, until
from tests.streaming.test_processes import runner as runner_of


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the domain finds the files MENDED and KILL."""
    monkeypatch.setattr("commander.streaming.reactors.reacting._REBALANCE_SECONDS", 0.1)
    monkeypatch.setattr("commander.streaming.reactors.reacting._RETRY_FAILED_SECONDS", 0.2)
    monkeypatch.setattr("commander.streaming.reactors.parking._POLL_SECONDS", 0.05)
    monkeypatch.setenv("TANKS", str(tmp_path))
    return tmp_path


def runner(servers: Bank, name: str = "keeper", **options: int) -> ReactorRunner:
    return runner_of(servers, name, tanks, **options)


def tanks_of_one_partition(servers: Bank, count: int) -> list[str]:
    """Names of tanks whose keys are in one partition."""
    partition_of = runner(servers)._reacting.partition_of
    names = [name for n in range(200) if partition_of(name := f"tank {n}") == 0]
    return names[:count]


async def filled(servers: Bank, *fillings: tuple[str, str]) -> None:
    """Fills tanks, in this order."""
    for tank, what in fillings:
        last = await servers.submit(Fill(tank, what), tanks)
    await servers.outcome(last)


async def notes(servers: Bank, tank: str) -> list[list[str]]:
    """What was noted of a tank, in the order of the log."""
    log = [json.loads(event.data) for event in await servers.log() if event.type == "Noted"]
    return [noted["filled"] for noted in log if noted["tank"] == tank]


async def until_noted(servers: Bank, tank: str, wanted: list[list[str]]) -> None:
    async def are() -> bool:
        return await notes(servers, tank) == wanted

    await until_true(are, f"the notes of {tank} are {wanted}")


async def parked(servers: Bank, **wanted: Any) -> ParkedKey:
    """The one parked key, once it is as wanted."""
    async with asyncio.timeout(15):
        while True:
            found = await list_parked(servers.database, None, 0, 10)
            if len(found) == 1 and all(getattr(found[0], name) == value for name, value in wanted.items()):
                return found[0]
            await asyncio.sleep(0.02)


async def until_unparked(servers: Bank) -> None:
    async def none_is() -> bool:
        return await list_parked(servers.database, None, 0, 10) == []

    await until_true(none_is, "no key is parked")


async def test_a_key_that_fails_is_parked_and_the_others_of_its_partition_go_on(
    servers: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = tanks_of_one_partition(servers, 2)
    failing = runner(servers)
    async with running(servers.processor(tanks).run()), running(failing.run()):
        with caplog.at_level(logging.ERROR, "commander.reactors"):
            await filled(servers, (bad, "a"), (bad, "poison"), (good, "a"), (bad, "b"), (good, "b"))
            await until_noted(servers, good, [["a"], ["a", "b"]])
            one = await parked(servers)
            await until_reacted(servers, "keeper")
        assert (one.reactor, one.key, one.state, one.attempts) == ("keeper", bad, "PARKED", 1)
        assert (one.event_type, one.error) == ("Filled", Placed("RuntimeError: poison does not fit"))
        assert 'raise RuntimeError(f"{what} does not fit")' in one.traceback
        event = next(event for event in await servers.log() if "poison" in event.data)
        assert (one.position, one.handled) == (event.position, event.position - 1)
        assert failing.failure == f"1 parked key; {bad} failed at position {one.position}: {one.error}"
        _, statuses = await reactor_statuses(servers.database)
        assert [(status.parked, status.stopped) for status in statuses] == [(1, 0)]
        assert await notes(servers, bad) == [["a"]]
        assert len(caplog.records) == 1
        assert (await reactor_positions(servers.database))["keeper"] > one.position
        assert (await completed_positions(servers.database))["keeper"] == one.position - 1


async def test_a_retry_handles_the_waiting_events_in_order_and_then_the_new_ones(
    servers: Bank, folder: Path
) -> None:
    async with running(servers.processor(tanks).run()), running(runner(servers).run()):
        await filled(servers, ("t", "poison"), ("t", "b"), ("u", "a"), ("t", "c"))
        await parked(servers)
        await until_reacted(servers, "keeper")
        await act_on_parked(servers.database, "keeper", "t", "RETRIED", "Ada")
        one = await parked(servers, state="PARKED", attempts=2)
        assert one.position == 1
        (folder / "MENDED").touch()
        [retried] = await act_on_parked(servers.database, "keeper", "t", "RETRIED", "Bob")
        assert (retried.position, retried.state) == (1, "RETRYING")
        await until_unparked(servers)
        await filled(servers, ("t", "d"))
        wanted = ["poison", "b", "c", "d"]
        await until_noted(servers, "t", [wanted[: n + 1] for n in range(4)])
        await until_reacted(servers, "keeper")
        actions = await parked_actions(servers.database, "keeper", "t")
        assert [(one.position, one.action, one.actor) for one in actions] == [
            (1, "RETRIED", "Ada"),
            (1, "RETRIED", "Bob"),
        ]
    with pytest.raises(NotFound, match="the reactor keeper has no parked key t"):
        await act_on_parked(servers.database, "keeper", "t", "RETRIED", None)


async def test_a_long_wait_is_handled_page_by_page(
    servers: Bank, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commander.streaming.reactors.parking._BATCH", 2)
    monkeypatch.setattr("commander.streaming.reactors.parking._MOST_POSITIONS", 5)
    monkeypatch.setattr("commander.streaming.reactors.parking._TURN_SECONDS", 0)
    whats = ["poison", *(str(n) for n in range(12))]
    async with running(servers.processor(tanks).run()), running(runner(servers).run()):
        await filled(servers, *(("t", what) for what in whats), *(("u", what) for what in whats[1:]))
        await parked(servers)
        (folder / "MENDED").touch()
        monkeypatch.setattr("commander.streaming.reactors.parking._TURN_SECONDS", 0.01)
        await act_on_parked(servers.database, "keeper", "t", "RETRIED", None)
        await until_unparked(servers)
        await until_noted(servers, "t", [whats[: n + 1] for n in range(13)])


async def test_a_skip_passes_over_the_failing_event_only_also_when_the_states_are_rebuilt(
    servers: Bank,
) -> None:
    async with running(servers.processor(tanks).run()):
        async with running(runner(servers).run()):
            await filled(servers, ("t", "a"), ("t", "poison 1"), ("t", "b"), ("t", "poison 2"), ("t", "c"))
            first = await parked(servers)
            await act_on_parked(servers.database, "keeper", "t", "SKIPPED", "Ada")
            second = await parked(
                servers, state="PARKED", error=Placed("RuntimeError: poison 2 does not fit")
            )
            assert (second.position > first.position, second.attempts) == (True, 1)
            await until_noted(servers, "t", [["a"], ["a", "b"]])
            await act_on_parked(servers.database, "keeper", None, "SKIPPED", "Ada")
            await until_unparked(servers)
            await until_noted(servers, "t", [["a"], ["a", "b"], ["a", "b", "c"]])
            await until_reacted(servers, "keeper")
        before = await stored(servers, "keeper")
        async with servers.database.connection() as connection:
            await forget_states(connection, "keeper")
        async with running(runner(servers).run()):

            async def rebuilt() -> bool:
                _, [status] = await reactor_statuses(servers.database)
                return status.folded_position == status.position

            await until_true(rebuilt, "the states are rebuilt")
        assert await stored(servers, "keeper") == before
        assert await list_parked(servers.database, None, 0, 10) == []


async def test_states_rebuilt_while_a_key_is_parked_end_before_its_failing_event(
    servers: Bank, folder: Path
) -> None:
    async with running(servers.processor(tanks).run()):
        async with running(runner(servers).run()):
            await filled(servers, ("t", "a"), ("t", "poison"), ("t", "b"), ("u", "a"))
            await parked(servers)
            await until_reacted(servers, "keeper")
        before = await stored(servers, "keeper")
        assert before == {"t": '{"filled":["a"]}', "u": '{"filled":["a"]}'}
        async with servers.database.connection() as connection:
            await forget_states(connection, "keeper")
        (folder / "MENDED").touch()
        async with running(runner(servers).run()):
            await filled(servers, ("u", "b"))
            await until_noted(servers, "u", [["a"], ["a", "b"]])
            await until_reacted(servers, "keeper")  # the checkpoint is saved after the command is sent
            assert (await stored(servers, "keeper"))["t"] == before["t"]
            await act_on_parked(servers.database, "keeper", "t", "RETRIED", None)
            await until_unparked(servers)
            await until_noted(servers, "t", [["a"], ["a", "poison"], ["a", "poison", "b"]])


async def test_when_too_many_keys_are_parked_the_partition_of_the_next_one_stops(
    servers: Bank, folder: Path
) -> None:
    one, two, three = tanks_of_one_partition(servers, 3)
    failing = runner(servers, most_parked=1)
    async with running(servers.processor(tanks).run()), running(failing.run()):
        await filled(servers, (one, "poison 1"), (two, "poison 2"), (three, "a"))
        await parked(servers, key=one)

        async def stopped() -> bool:
            _, [status] = await reactor_statuses(servers.database)
            return status.stopped == 1

        await until_true(stopped, "the partition has stopped")
        reason = Placed("RuntimeError: poison 2 does not fit…; 1 keys are parked, no more may be")
        assert failing.failure == reason
        assert await notes(servers, three) == []
        (folder / "MENDED").touch()
        await act_on_parked(servers.database, "keeper", one, "RETRIED", None)
        await until_unparked(servers)
        for tank, note in ((one, ["poison 1"]), (two, ["poison 2"]), (three, ["a"])):
            await until_noted(servers, tank, [note])
        await until_reacted(servers, "keeper")
        assert failing.failure is None


async def test_a_parked_key_moves_with_its_partition_and_is_retried_by_its_next_owner(
    servers: Bank, folder: Path
) -> None:
    async with running(servers.processor(tanks).run()):
        async with running(runner(servers).run()):
            await filled(servers, ("t", "poison"), ("t", "b"))
            await parked(servers)
        (folder / "MENDED").touch()
        others = [runner(servers), runner(servers)]
        async with running(others[0].run()), running(others[1].run()):
            async with asyncio.timeout(10):
                while [len(one.owned) for one in others] != [PARTITIONS // 2] * 2:
                    await asyncio.sleep(0.01)
            await filled(servers, ("t", "c"), ("u", "a"))
            await until_noted(servers, "u", [["a"]])
            assert await notes(servers, "t") == []
            await act_on_parked(servers.database, "keeper", "t", "RETRIED", None)
            await until_unparked(servers)
            await until_noted(servers, "t", [["poison"], ["poison", "b"], ["poison", "b", "c"]])


async def test_a_key_that_failed_with_other_code_is_retried_when_a_process_begins(
    servers: Bank, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(servers.processor(tanks).run()):
        async with running(runner(servers).run()):
            await filled(servers, ("t", "poison"), ("t", "b"))
            await parked(servers)
        (folder / "MENDED").touch()
        monkeypatch.setattr(tanks, "fingerprint_of", lambda _: "newer")
        async with running(runner(servers).run()):
            await until_unparked(servers)
            await until_noted(servers, "t", [["poison"], ["poison", "b"]])


async def test_without_a_key_a_stream_is_parked(servers: Bank, folder: Path) -> None:
    async with running(servers.processor(tanks).run()), running(runner(servers, "watcher").run()):
        await filled(servers, ("t", "poison"), ("t", "b"), ("u", "a"))
        await until_noted(servers, "u", [["watched a"]])
        one = await parked(servers)
        assert one.key == "tank-t"
        (folder / "MENDED").touch()
        await act_on_parked(servers.database, "watcher", one.key, "RETRIED", None)
        await until_noted(servers, "t", [["watched poison"], ["watched b"]])
        await until_unparked(servers)


async def test_a_process_that_dies_between_sending_and_saving_a_retry_sends_once(
    servers: Bank, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(*_: object, **__: object) -> None:
        raise RuntimeError("killed before the retry was saved")

    async with running(servers.processor(tanks).run()):
        async with running(runner(servers).run()):
            await filled(servers, ("t", "poison"), ("t", "b"))
            await parked(servers)
        (folder / "MENDED").touch()
        await act_on_parked(servers.database, "keeper", "t", "RETRIED", None)
        with monkeypatch.context() as patched:
            patched.setattr("commander.streaming.reactors.parking.save_retry", die)
            for _ in range(2):
                with pytest.raises(RuntimeError, match="killed"):
                    await runner(servers).run()
        await until_noted(servers, "t", [["poison"], ["poison", "b"]])
        async with running(runner(servers).run()):
            await until_unparked(servers)
            await filled(servers, ("t", "c"))
            await until_noted(servers, "t", [["poison"], ["poison", "b"], ["poison", "b", "c"]])


async def test_a_kill_in_the_middle_of_a_retry_repeats_and_loses_nothing(
    servers: Bank, database_url: str, nats_server: EmbeddedNats, folder: Path
) -> None:
    environment = {
        "COMMANDER_POSTGRES_URL": database_url,
        "COMMANDER_NATS_URL": nats_server.url,
        "COMMANDER_DOMAIN": "tests.streaming.tanks:tanks",
        "COMMANDER_PARTITIONS": str(PARTITIONS),
        "TANKS": str(folder),
    }
    whats = ["poison", *(str(n) for n in range(600)), "kill", "end"]
    async with running(servers.processor(tanks).run()):
        with PartProcess("reactors", folder, environment) as first:
            await filled(servers, *(("t", what) for what in whats))
            one = await parked_keeper(servers.database)
            await until_reacted(servers, "keeper")  # all others of the key's events wait
            (folder / "MENDED").touch()
            (folder / "KILL").touch()
            await act_on_parked(servers.database, "keeper", "t", "RETRIED", None)
            assert await asyncio.to_thread(first.process.wait, 60) == -9
        after = await parked_keeper(servers.database)
        assert (after.state, after.position) == ("RETRYING", one.position)
        assert after.handled > one.handled, "a page of the retry was stored before the kill"
        with PartProcess("reactors", folder, environment):

            async def caught_up() -> bool:
                return "keeper" not in {k.reactor for k in await list_parked(servers.database, None, 0, 10)}

            await until_true(caught_up, "the retry has ended", timeout_seconds=60)

            async def all_noted() -> bool:
                return any(len(noted) == len(whats) for noted in await notes(servers, "t"))

            await until_true(all_noted, "the last filling is noted", timeout_seconds=60)
    kept = [noted for noted in await notes(servers, "t") if not noted[0].startswith("watched")]
    assert kept == [whats[: n + 1] for n in range(len(whats))]


async def parked_keeper(database: Database) -> ParkedKey:
    async with asyncio.timeout(60):
        while True:
            found = await list_parked(database, "keeper", 0, 10)
            if found:
                return found[0]
            await asyncio.sleep(0.02)


async def test_the_deadline_of_a_parked_process_waits(servers: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object, event: Paid) -> None:
        raise RuntimeError("cannot ship")

    reactions = orders.reactors["payment"].reactions
    async with running(servers.processor(orders).run()):
        with monkeypatch.context() as patched:
            patched.setattr("tests.streaming.orders.PATIENCE", timedelta(seconds=2))
            patched.setitem(reactions, Paid, fail)
            async with running(runner_of(servers, "payment").run()):
                [order, other] = await orders_of(servers, "Ada", "Bob")
                await servers.submit(Pay(order), orders)
                await parked(servers)
                await until(servers, lambda types: types.count("Abandoned") == 1)
            async with running(runner_of(servers, "payment").run()):
                [late] = await orders_of(servers, "Cleo")
                log = await until(servers, lambda types: types.count("Abandoned") == 2)
        abandoned = [event.stream for event in log if event.type == "Abandoned"]
        assert abandoned == [f"oneOrder-{other}", f"oneOrder-{late}"], "that of the parked one was due first"
        async with running(runner_of(servers, "payment").run()):
            await act_on_parked(servers.database, "payment", str(order), "RETRIED", None)
            log = await until(servers, lambda types: "Shipped" in types)
            await until_unparked(servers)
    assert [event.stream for event in log if event.type == "Shipped"] == [f"oneOrder-{order}"]
    assert "ReactionRejected" not in [event.type for event in log], "no deadline met the paid order"
