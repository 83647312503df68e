"""Two processors at once: they share the partitions, take over from one another, and cannot both decide."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from commander.eventstore.database import Database
from commander.eventstore.locks import Lock
from tests.faults.audit import assert_all_well
from tests.faults.customers import Client, Customers
from tests.faults.part_process import PartProcess
from tests.faults.servers import Servers
from tests.faults.subscriber import Subscriber
from tests.faults.waiting import until
from tests.system import System

TAKEOVER_SECONDS = 10.0
CRASHED = "has crashed or lost Postgres"


class Sessions:
    """The sessions of Postgres: a processor is one that holds the locks of its partitions."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)

    async def shares(self) -> dict[int, int]:
        """How many partitions each processor owns, by the pid of its session."""
        rows = await self.database.fetch(
            """select pid, count(*) from pg_locks
               where locktype = 'advisory' and classid = $1 and granted group by pid""",
            int(Lock.PARTITION),
        )
        return {row["pid"]: row["count"] for row in rows}

    async def appending(self) -> set[int]:
        """The sessions that wait for a lock on a row: their transaction is under way."""
        rows = await self.database.fetch(
            """select pid from pg_stat_activity
               where application_name = 'commander processor' and wait_event_type = 'Lock'"""
        )
        return {row["pid"] for row in rows}

    async def end(self, application: str) -> int:
        """Ends the sessions of the applications with a name like this; how many there were."""
        rows = await self.database.fetch(
            """select pg_terminate_backend(pid) from pg_stat_activity
               where application_name like $1 and pid <> pg_backend_pid()""",
            application,
        )
        return len(rows)


@pytest_asyncio.fixture
async def sessions(servers: Servers) -> AsyncIterator[Sessions]:
    made = Sessions(servers.postgres.url)
    yield made
    await made.database.close()


@pytest.fixture
def second(parts: System, servers: Servers, tmp_path: Path) -> Iterator[PartProcess]:
    """A second `commander processor` beside the one of `parts`."""
    with PartProcess("processor", tmp_path, servers.environment) as started:
        yield started


async def test_a_killed_processors_partitions_are_taken_over_within_seconds(
    parts: System, second: PartProcess, sessions: Sessions
) -> None:
    async with (
        Client(parts.url) as client,
        Subscriber(parts.ws_url) as subscriber,
        Customers(client) as customers,
    ):
        await until_shared(sessions)
        await customers.finish(20)
        second.process.kill()
        await until_taken_over(sessions)
        await customers.finish(20)
        await customers.stop()
        await assert_all_well(client, subscriber)
    assert CRASHED in parts.log.read_text()


async def test_a_processor_that_is_told_to_stop_under_load_is_taken_for_no_death(
    parts: System, second: PartProcess, sessions: Sessions
) -> None:
    before = parts.log.read_text().count(CRASHED)
    async with (
        Client(parts.url) as client,
        Subscriber(parts.ws_url) as subscriber,
        Customers(client) as customers,
    ):
        await until_shared(sessions)
        await customers.finish(20)
        assert await asyncio.to_thread(second.end) == 0
        await until_taken_over(sessions)
        await customers.finish(20)
        await customers.stop()
        await assert_all_well(client, subscriber)
    assert parts.log.read_text().count(CRASHED) == before
    assert second.lines(CRASHED) == []


async def test_a_processor_that_wakes_up_after_its_session_ended_decides_nothing_twice(
    parts: System, second: PartProcess, sessions: Sessions
) -> None:
    (first_session,) = await sessions.shares()
    async with Client(parts.url) as client, Subscriber(parts.ws_url) as subscriber:
        await until_shared(sessions)
        (second_session,) = (await sessions.shares()).keys() - {first_session}
        async with sessions.database.connection() as connection, connection.transaction():
            await connection.execute("select position from log_head for update")
            ids = [str(uuid4()) for _ in range(30)]
            opening = [  # each of them twice, as by a client that has lost its patience
                asyncio.create_task(client.submit("openAccount", {"owner": "Ada"}, command_id))
                for command_id in (*ids, *ids)
            ]

            async def both_append() -> bool:
                return await sessions.appending() == {first_session, second_session}

            await until(both_append, "both processors are in the middle of an append")
            second.process.send_signal(signal.SIGSTOP)
            await connection.execute("select pg_terminate_backend($1)", second_session)
        await until_taken_over(sessions)
        await asyncio.gather(*opening)

        second.process.send_signal(signal.SIGCONT)
        await until_shared(sessions)
        await client.submit("openAccount", {"owner": "Bob"})
        await assert_all_well(client, subscriber)


async def test_a_command_is_no_dead_letter_because_its_processor_lost_postgres_often(
    parts: System, sessions: Sessions
) -> None:
    async with Client(parts.url) as client:
        async with sessions.database.connection() as connection, connection.transaction():
            await connection.execute("select position from log_head for update")
            opening = asyncio.create_task(client.submit("openAccount", {"owner": "Ada"}))
            lost: set[int] = set()

            async def appends_again() -> bool:
                return bool(await sessions.appending() - lost)

            for _ in range(4):
                await until(appends_again, "the processor is in the middle of an append")
                lost |= await sessions.appending()
                await connection.execute(
                    "select pg_terminate_backend(pid) from unnest($1::int[]) as pid", lost
                )
        assert (await opening).applied


async def test_every_session_ended_again_and_again_under_load_costs_nothing_but_time(
    parts: System, sessions: Sessions
) -> None:
    async with (
        Client(parts.url) as client,
        Subscriber(parts.ws_url) as subscriber,
        Customers(client) as customers,
    ):
        for _ in range(2):
            await customers.finish(20)
            assert await sessions.end("commander %")
        await customers.finish(20)
        await customers.stop()
        await assert_all_well(client, subscriber)


async def until_shared(sessions: Sessions) -> None:
    async def shared() -> bool:
        return sorted((await sessions.shares()).values()) == [4, 4]

    await until(shared, "two processors share the eight partitions")


async def until_taken_over(sessions: Sessions) -> None:
    async def alone() -> bool:
        return list((await sessions.shares()).values()) == [8]

    await until(alone, "one processor has all partitions", timeout_seconds=TAKEOVER_SECONDS)
