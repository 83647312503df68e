"""`commander reactors list|replay`: what they print, and that a replay sends nothing."""

from __future__ import annotations

import asyncio
import getpass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from commander.dev.embedded import EmbeddedNats
from commander.eventstore.log.outcomes import outcome_of
from commander.eventstore.reactions.parked import parked_actions
from commander.eventstore.reactions.reactors import reactor_statuses
from commander.eventstore.records import SubmittedCommand
from commander.streaming.nats.streams import ensure_streams
from tests.commander.conftest import Run
from tests.placed import Placed
from tests.streaming.conftest import Bank, running, servers, until_reacted
from tests.streaming.orders import Order
from tests.streaming.orders import orders as orders_domain
from tests.streaming.test_processes import orders_of, runner, scheduled, stored

__all__ = ["servers"]

DOMAIN = "tests.streaming.orders:orders"


async def asked(
    servers: Bank, commander: Run, *arguments: str, nats: str | None = None
) -> tuple[int, str, str]:
    """Exit code, output and errors of `commander reactors`."""
    environment = {"COMMANDER_POSTGRES_URL": servers.database.url, "COMMANDER_DOMAIN": DOMAIN}
    if nats is not None:
        environment["COMMANDER_NATS_URL"] = nats
    ended = await asyncio.to_thread(commander, "reactors", *arguments, **environment)
    return ended.returncode, ended.stdout, ended.stderr


async def counted(servers: Bank) -> None:
    """Leaves behind a reactor that has counted five orders, of which it has rewarded three."""
    async with running(servers.processor(orders_domain).run()), running(runner(servers, "loyalty").run()):
        await orders_of(servers, *["Ada"] * 3, *["Bob"] * 2)
        async with asyncio.timeout(10):
            while len(await servers.log()) < 6:
                await asyncio.sleep(0.02)
        await until_reacted(servers, "loyalty")


async def test_reactors_are_listed_as_they_stand(servers: Bank, commander: Run) -> None:
    await counted(servers)
    assert await asked(servers, commander, "list") == (0, "loyalty\t6\t6\t2\t\t\t\t\t\t\n", "")


async def test_what_nats_has_lost_of_a_reactor_is_listed_and_sent_by_a_replay(
    servers: Bank, nats_server: EmbeddedNats, commander: Run
) -> None:
    async with running(servers.processor(orders_domain).run()):
        await orders_of(servers, *["Ada"] * 6)
    async with running(runner(servers, "loyalty").run()):
        await until_reacted(servers, "loyalty")
    url = nats_server.url
    assert await asked(servers, commander, "list") == (0, "loyalty\t6\t6\t1\t\t2\t?\t\t\t\n", "")
    assert await asked(servers, commander, "list", nats=url) == (0, "loyalty\t6\t6\t1\t\t2\t\t\t\t\n", "")
    await servers.nats.jetstream.delete_stream("COMMANDS")
    await ensure_streams(servers.nats, 1)
    assert await asked(servers, commander, "list", nats=url) == (0, "loyalty\t6\t6\t1\t\t2\t2\t\t\t\n", "")
    code, out, err = await asked(servers, commander, "replay", "loyalty", "--send", nats=url)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "2 commands of loyalty that have no outcome are sent again"
    async with running(servers.processor(orders_domain).run()), asyncio.timeout(20):
        while [event.type for event in await servers.log()].count("Rewarded") < 2:
            await asyncio.sleep(0.02)
    assert len(await servers.log()) == 8


async def test_a_replay_makes_the_states_again_and_sends_nothing(servers: Bank, commander: Run) -> None:
    await counted(servers)
    before, log = await stored(servers, "loyalty"), await servers.log()
    await servers.database.fetch("""update reactor_states set state = '{"orders": 40}'""")
    code, out, err = await asked(servers, commander, "replay", "loyalty")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "loyalty is at position 6; no command was sent"
    assert await stored(servers, "loyalty") == before == {"Ada": '{"orders":3}', "Bob": '{"orders":2}'}
    assert await servers.log() == log
    assert (await servers.nats.jetstream.stream_info("COMMANDS")).state.last_seq == await last_sent(servers)


async def test_a_replay_takes_back_deadlines_and_the_new_states_set_theirs(
    servers: Bank, nats_server: EmbeddedNats, commander: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.streaming.orders.PATIENCE", timedelta(hours=1))
    async with running(servers.processor(orders_domain).run()):
        async with running(runner(servers, "payment").run()):
            await orders_of(servers, "Ada", "Bob")
            await until_reacted(servers, "payment")
        before = await scheduled(servers)
        assert len(before) == 2
        other = SubmittedCommand(  # what another version of the code set ahead for the same order
            **{**fields_of(await one_deadline(servers)), "command_id": uuid4()}
        )
        await servers.submitter.submit(other)
        await servers.database.fetch(
            "update reactor_states set deadlines = $1 where key = $2",
            msgspec.json.encode([other]).decode(),
            other.deadline[0] if other.deadline else "",
        )
        code, out, err = await asked(servers, commander, "replay", "payment")
        assert (code, out) == (1, "") and "COMMANDER_NATS_URL is not set" in err
        assert len(await scheduled(servers)) == 3
        code, out, err = await asked(servers, commander, "replay", "payment", nats=nats_server.url)
        assert (code, err) == (0, "")
        assert out.startswith("2 deadlines are taken back")
        assert len(left := await scheduled(servers)) == 1 and set(left) < set(before), "its state lost it"
        async with running(runner(servers, "payment").run()), asyncio.timeout(10):
            while [event.type for event in await servers.log()].count("Abandoned") < 2:
                await asyncio.sleep(0.02)  # the code of that process has less patience
        assert await outcome_of(servers.database, other.command_id) is None, "it never fires"


async def one_deadline(servers: Bank) -> SubmittedCommand:
    text = await servers.database.fetchval("select deadlines::text from reactor_states order by key limit 1")
    [deadline] = msgspec.json.decode(text, type=list[SubmittedCommand])
    return deadline


def fields_of(command: SubmittedCommand) -> dict[str, Any]:
    return {name: getattr(command, name) for name in command.__struct_fields__}


async def last_sent(servers: Bank) -> int:
    """The sequence up to which the processor has read; it has read all that was ever sent."""
    return int(await servers.database.fetchval("select max(sequence) from progress"))


async def test_a_new_reactor_may_pass_over_what_was_before_it(servers: Bank, commander: Run) -> None:
    async with running(servers.processor(orders_domain).run()):
        await orders_of(servers, *["Ada"] * 4)
        code, _, err = await asked(servers, commander, "replay", "loyalty", "--skip")
        assert (code, err) == (0, "")
        assert await stored(servers, "loyalty") == {"Ada": '{"orders":4}'}
        async with running(runner(servers, "loyalty").run()):
            for _ in range(2):
                await servers.outcome(await servers.submit(Order(uuid4(), "Ada"), orders_domain))
            async with asyncio.timeout(10):
                while (log := await servers.log())[-1].type != "Rewarded":
                    await asyncio.sleep(0.02)
    assert [event.type for event in log] == ["Ordered"] * 6 + ["Rewarded"]


async def test_one_that_runs_is_not_replayed(servers: Bank, commander: Run) -> None:
    await counted(servers)
    async with running(runner(servers, "loyalty").run()):
        await until_reacted(servers, "loyalty")
        code, _, err = await asked(servers, commander, "replay", "loyalty")
        while not code:  # the runner may not have had its lock yet
            code, _, err = await asked(servers, commander, "replay", "loyalty")
    assert (code, err) == (1, "commander: the reactor loyalty runs; stop the part reactors first\n")


async def test_a_replay_that_fails_is_one_line_and_keeps_where_it_came(servers: Bank, commander: Run) -> None:
    async with running(servers.processor(orders_domain).run()):
        await orders_of(servers, "Ada", "poison")
    code, _, err = await asked(servers, commander, "replay", "loyalty", "--skip")
    assert (code, err) == (
        1,
        Placed("commander: the reactor loyalty failed at position 2: RuntimeError: boom…\n"),
    )
    _, [status] = await reactor_statuses(servers.database)
    assert (status.position, status.folded_position) == (2, 1)


async def test_a_name_that_is_none_is_told_with_those_that_are(servers: Bank, commander: Run) -> None:
    code, _, err = await asked(servers, commander, "replay", "postman")
    expected = "the domain orders has no reactor postman; it has echo, loyalty, payment"
    assert (code, err) == (1, f"commander: {expected}\n")


async def test_parked_keys_are_listed_retried_and_skipped(servers: Bank, commander: Run) -> None:
    async with running(servers.processor(orders_domain).run()):
        async with running(runner(servers, "loyalty").run()):
            await orders_of(servers, "Ada", "poison", "poison")
            await until_reacted(servers, "loyalty")
        code, out, err = await asked(servers, commander, "list")
        assert (code, out, err) == (0, "loyalty\t3\t3\t1\t1\t\t\t\t\t\n", "")
        code, out, err = await asked(servers, commander, "failures", "loyalty", "--traceback")
        line, *traceback = out.splitlines()
        cells = line.split("\t")
        assert (code, err) == (0, "")
        assert cells[:6] == ["loyalty", "poison", "PARKED", "2", "Ordered", "1"]
        assert cells[7] == Placed("RuntimeError: boom")
        assert "RuntimeError: boom" in traceback
        code, out, err = await asked(servers, commander, "skip", "loyalty", "poison")
        assert (code, out, err) == (0, "loyalty skips the event at position 2\n", "")
        code, _, err = await asked(servers, commander, "retry", "loyalty", "poison")
        expected = "the reactor loyalty has no parked key poison, or its retry has not ended"
        assert (code, err) == (1, f"commander: {expected}\n")
        async with running(runner(servers, "loyalty").run()):
            while (await asked(servers, commander, "failures"))[1].split("\t")[2:4] != ["PARKED", "3"]:
                pass
        code, out, err = await asked(servers, commander, "retry", "loyalty", "--all")
        assert (code, out, err) == (0, "loyalty will handle the event at position 3 again\n", "")
    code, _, err = await asked(servers, commander, "retry", "loyalty")
    assert (code, "give either a key or --all" in err) == (2, True)
    [skipped, retried] = await parked_actions(servers.database, "loyalty", "poison")
    assert (skipped.position, skipped.action, retried.position, retried.action) == (
        2,
        "SKIPPED",
        3,
        "RETRIED",
    )
    assert skipped.actor == getpass.getuser()
