"""A unique key is deployed: old code beside new, in turn under load, and a build that is killed."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest_asyncio

from commander.dev.embedded import EmbeddedNats
from commander.eventstore.database import Connection
from commander.eventstore.log.event_log import Append, head_position
from commander.eventstore.records import Decision, NewEvent, Status
from tests.faults.clinic import GoOnCall, clinic
from tests.faults.part_process import PartProcess
from tests.faults.rounds import Clients, assert_as_one_clerk, stored_ids
from tests.faults.test_across import environment_of
from tests.faults.waiting import until
from tests.forking import fork_server
from tests.streaming.conftest import Bank, running, servers, submitted

__all__ = ["servers"]

UNRULED = {"CLINIC": "unruled"}
_TURNS = 2
_STREAMS = 700


async def is_on(servers: Bank) -> bool:
    found = await servers.database.fetchval(
        "select exists (select from log_indexes where name = 'unique doctor.pager' and active)"
    )
    return bool(found)


def waits(old: PartProcess) -> bool:
    return bool(old.lines("switched unique doctor.pager on"))


async def test_old_code_and_new_in_turn_under_load_fail_nothing_and_break_nothing(
    servers: Bank, nats_server: EmbeddedNats, tmp_path: Path
) -> None:
    environment = environment_of(servers, nats_server)
    clients = Clients(servers, random.Random(19))
    clients.compete = False
    is_over = asyncio.Event()
    with ExitStack() as stack:

        def started(name: str, **settings: str) -> PartProcess:
            (tmp_path / name).mkdir()
            part = PartProcess("processor", tmp_path / name, {**environment, **settings})
            return stack.enter_context(part)

        old, new = started("old", **UNRULED), started("new")
        async with running(clients.send(400, is_over.is_set)) as sending:
            await until(lambda: is_on(servers), "the rule is on", timeout_seconds=60)
            clients.compete = True
            for turn in range(_TURNS):
                await clients.until_more(200)
                await asyncio.to_thread(new.end)
                await until(partial(waits, old), "the old code waits", timeout_seconds=60)
                new = started(f"new {turn}")
                await clients.until_more(200)
                await asyncio.to_thread(old.end)
                await clients.until_more(200)
                old = started(f"old {turn}", **UNRULED)
            is_over.set()
            await sending
    assert await stored_ids(servers.database) == (clients.sent, clients.ids)
    assert (await assert_as_one_clerk(servers.database))["NOT_UNIQUE"]


@pytest_asyncio.fixture
async def gate(servers: Bank) -> AsyncIterator[Connection]:
    """Whoever has built an index up to more than 1999 waits until this session ends."""
    await servers.database.fetch(
        """create function wait_at_the_gate() returns trigger language plpgsql as $$
           begin
               if new.position > 1999 then perform pg_advisory_xact_lock_shared(1999); end if;
               return new;
           end $$"""
    )
    await servers.database.fetch(
        "create trigger gate before update on log_indexes for each row execute function wait_at_the_gate()"
    )
    connection = await servers.database.connect("gate")
    await connection.execute("select pg_advisory_lock(1999)")
    yield connection
    connection.terminate()
    await servers.database.fetch("drop function wait_at_the_gate() cascade")


async def fill(servers: Bank, count: int) -> None:
    """Doctors go on call so many times, one after the other."""
    async with servers.database.connection() as connection:
        for version in range(1, 1 + count // _STREAMS):
            decisions = []
            for doctor in range(_STREAMS):
                sent = submitted(GoOnCall(doctor), clinic)
                event = NewEvent("WentOnCall", 1, f'{{"doctor":{doctor}}}')
                decisions.append(Decision(sent, sent.digest, Status.APPLIED, version, (event,)))
            await Append(decisions, None).run(connection)


async def test_a_build_shows_how_far_it_is_and_goes_on_there_after_a_kill(
    servers: Bank, nats_server: EmbeddedNats, gate: Connection, tmp_path: Path
) -> None:
    await fill(servers, 3500)
    environment = environment_of(servers, nats_server)

    async def listed() -> str:
        run = fork_server().run
        ended = await asyncio.to_thread(run, ["indexes", "list"], {**os.environ, **environment})
        return ended.stdout

    async def is_half_built() -> bool:
        return "built up to 1000 of 3500" in await listed()

    with PartProcess("processor", tmp_path, environment) as first:
        await until(is_half_built, "the list says how far the build is", timeout_seconds=60)
        first.process.kill()
        first.process.wait()
    gate.terminate()
    with PartProcess("processor", tmp_path, environment) as second:
        await until(lambda: is_on(servers), "the index is built", timeout_seconds=60)
        assert second.lines("building unique doctor.pager from position 1000")
    assert await head_position(servers.database) == 3500
