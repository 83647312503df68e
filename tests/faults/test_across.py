"""Rules across streams hold whatever happens to the processors: killed, stopped, stopped with the log held.

What is stored is what one clerk would have answered, who gets the commands in the order of their outcomes.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import msgspec

from commander.dev.embedded import EmbeddedNats
from commander.eventstore.database import Database
from commander.eventstore.log.event_log import ended_commands, head_position
from commander.eventstore.log.ranges import read_log
from commander.eventstore.records import RecordedEvent, Status, SubmittedCommand
from commander.streaming.log.relay import Relay
from tests.faults.clerk import CODES, KINDS, Clerk, random_command
from tests.faults.clinic import clinic
from tests.faults.fleet import Fleet
from tests.faults.waiting import until
from tests.forking import fork_server
from tests.streaming.conftest import PARTITIONS, Bank, running, servers, submitted

__all__ = ["servers"]

COMMANDS = int(os.environ.get("COMMANDER_FUZZ_ACROSS", "1600"))
_AT_ONCE = 40
_REPEATED = 4
_OF_A_KIND = 400
_AHEAD = 200
_LAST_BITS = 2**60 - 1
_PAGE = 5000
_PATIENCE_SECONDS = 60.0
_DOMAIN = "tests.faults.clinic:clinic"
_OUTCOMES = """select number, command_id, type, data::text, status, code, event_count from commands
               where number > $1 order by number limit $2"""


class Clients:
    """Clients of the clinic, who repeat some commands under the same id, and wait for outcomes now and then.

    sent: how many different commands. ids: the exclusive or of the last 60 bits of their ids.
    """

    def __init__(self, servers: Bank, random_: random.Random) -> None:
        self.sent = self.ids = 0
        self._servers = servers
        self._random = random_

    async def send(self, count: int, suffices: Callable[[], bool]) -> None:
        """Sends so many commands, or more until it suffices. Returns when each has an outcome."""
        some = list[SubmittedCommand]()
        while self.sent < count or not suffices():
            repeated = self._random.sample(some, _REPEATED) if some else []
            kind = self.sent // _OF_A_KIND % KINDS
            some = [submitted(random_command(self._random, kind), clinic) for _ in range(_AT_ONCE)]
            await asyncio.gather(*map(self._servers.submitter.submit, (*some, *repeated)))
            for one in some:
                self.ids ^= one.command_id.int & _LAST_BITS
            self.sent += _AT_ONCE
            await self._until_undecided(_AHEAD)
        await self._until_undecided(0)

    async def _until_undecided(self, most: int) -> None:
        async def is_so() -> bool:
            return self.sent - await ended_commands(self._servers.database) <= most

        await until(is_so, "commands are decided", timeout_seconds=_PATIENCE_SECONDS)


async def decided(
    database: Database,
) -> AsyncIterator[tuple[object, Status, str | None, list[RecordedEvent]]]:
    """Each command with its outcome and its events, in the order of the outcomes."""
    number = position = 0
    while rows := await database.fetch(_OUTCOMES, number, _PAGE):
        number = rows[-1]["number"]
        count = sum(row["event_count"] for row in rows)
        events = iter(await read_log(database, position, position + count, count))
        position += count
        for row in rows:
            type_ = clinic.command_type(row["type"])
            assert type_ is not None
            command = type_.decode(msgspec.Raw(row["data"].encode()))
            made = [next(events) for _ in range(row["event_count"])]
            assert {event.command_id for event in made} <= {row["command_id"]}
            yield command, Status(row["status"]), row["code"], made


async def assert_as_one_clerk(database: Database) -> Counter[str | None]:
    """Returns how often each code of a rejection was the outcome; None: the command was applied."""
    clerk, codes = Clerk(), Counter[str | None]()
    async for command, status, code, made in decided(database):
        events = [clinic.decode(one.type, one.schema_version, one.data, one.position) for one in made]
        assert [one.stream for one in made] == [f"doctor-{event.doctor}" for event in events]
        found = code if status is not Status.APPLIED else events
        assert found == clerk.answer(command), (sum(codes.values()), command, status)
        codes[code] += 1
    return codes


async def stored_ids(database: Database) -> tuple[int, int]:
    """How many outcomes are stored, and the exclusive or of the last 60 bits of their commands' ids."""
    [row] = await database.fetch(
        """select count(*), bit_xor(('x' || right(replace(command_id::text, '-', ''), 15))::bit(60)::bigint)
           from commands"""
    )
    return row[0], row[1]


async def test_each_outcome_is_that_of_one_clerk_however_the_processors_end(
    servers: Bank, nats_server: EmbeddedNats, tmp_path: Path
) -> None:
    random_ = random.Random(19)
    environment = {
        "COMMANDER_POSTGRES_URL": servers.database.url,
        "COMMANDER_NATS_URL": nats_server.url,
        "COMMANDER_DOMAIN": _DOMAIN,
        "COMMANDER_PARTITIONS": str(PARTITIONS),
        "COMMANDER_AUTH": "none",
    }
    clients = Clients(servers, random_)
    relay = Relay(servers.database, servers.nats)
    with Fleet(servers.database, environment, tmp_path, PARTITIONS, random_) as fleet:
        fleet.start()
        fleet.start()
        fleet.start(STOPS_AT="5")
        async with running(clients.send(COMMANDS, fleet.has_seen_all)) as sending, running(relay.run()):
            while not sending.done():
                await fleet.suffer()
            await sending
            head = await head_position(servers.database)
            await until(lambda: relay.position == head, "the mirror has the log", timeout_seconds=60)
    assert await stored_ids(servers.database) == (clients.sent, clients.ids)
    assert (await assert_as_one_clerk(servers.database)).keys() == CODES
    code, told = await verified(environment)
    assert code == 0, told


async def verified(environment: dict[str, str]) -> tuple[int, str]:
    """How `commander verify` ended, and what it said."""
    run = partial(fork_server().run, ["verify", _DOMAIN], {**os.environ, **environment}, timeout_seconds=3600)
    ended = await asyncio.to_thread(run)
    return ended.returncode, ended.stdout + ended.stderr
