"""Clients of the clinic, and whether what is stored is what one clerk would have answered."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable

import msgspec

from commander.eventstore.database import Database
from commander.eventstore.log.event_log import ended_commands
from commander.eventstore.log.ranges import read_log
from commander.eventstore.records import RecordedEvent, Status, SubmittedCommand
from tests.faults.clerk import DOCTORS, KINDS, Clerk, random_command
from tests.faults.clinic import TakePager, clinic
from tests.faults.waiting import until
from tests.streaming.conftest import Bank, submitted

DOMAIN = "tests.faults.clinic:clinic"
_AT_ONCE = 40
_REPEATED = 4
_OF_A_KIND = 400
_AHEAD = 200
_LAST_BITS = 2**60 - 1
_PAGE = 5000
_PATIENCE_SECONDS = 60.0
_OUTCOMES = """select number, command_id, type, data::text, status, code, event_count from commands
               where number > $1 order by number limit $2"""


class Clients:
    """They repeat some commands under the same id, and wait for outcomes now and then.

    compete: whether they send commands of all kinds, or let each doctor take a pager that is its own.
    sent: how many different commands. ids: the exclusive or of the last 60 bits of their ids.
    """

    def __init__(self, servers: Bank, random_: random.Random) -> None:
        self.sent = self.ids = 0
        self.compete = True
        self._servers = servers
        self._random = random_

    async def send(self, count: int, suffices: Callable[[], bool]) -> None:
        """Sends so many commands, or more until it suffices. Returns when each has an outcome."""
        some = list[SubmittedCommand]()
        while self.sent < count or not suffices():
            repeated = self._random.sample(some, _REPEATED) if some else []
            some = [submitted(self._next(), clinic) for _ in range(_AT_ONCE)]
            await asyncio.gather(*map(self._servers.submitter.submit, (*some, *repeated)))
            for one in some:
                self.ids ^= one.command_id.int & _LAST_BITS
            self.sent += _AT_ONCE
            await self._until_undecided(_AHEAD)
        await self._until_undecided(0)

    async def until_more(self, count: int) -> None:
        """Returns when so many more were sent."""
        goal = self.sent + count
        await until(lambda: self.sent >= goal, "clients send more", timeout_seconds=_PATIENCE_SECONDS)

    def _next(self) -> object:
        if self.compete:
            return random_command(self._random, self.sent // _OF_A_KIND % KINDS)
        doctor = self._random.randrange(DOCTORS)
        return TakePager(doctor, f"of {doctor}")

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
