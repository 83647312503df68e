"""Rules across streams hold however many processors decide, and whoever of them is stopped."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from itertools import chain, count
from typing import Any
from uuid import UUID

import pytest

from commander.domain import Domain
from commander.eventstore.audit.events import EVENTS, VERSIONS
from commander.eventstore.audit.findings import begun
from commander.eventstore.audit.outcomes import OUTCOMES
from commander.eventstore.records import Outcome, RecordedEvent, Status
from commander.streaming import leases
from commander.streaming.commands import decided_batches, upkeep
from commander.streaming.nats.streams import partition_of
from tests.domain.school import (
    Course,
    Enrol,
    Leave,
    OpenCourse,
    Register,
    Student,
    SwapDesks,
    school,
)
from tests.streaming.concerts import ROOM, HoldSeat, ReleaseSeats, concerts
from tests.streaming.conftest import PARTITIONS, Bank, running
from tests.streaming.wards import GoOffCall, GoOnCall, wards

STUDENTS = [UUID(int=n + 1) for n in range(12)]
COURSES = [UUID(int=n + 101) for n in range(6)]
SEATS = 7
DOCTORS = 8
COMMANDS = 1600
_AT_ONCE = 40
States = dict[str, Any]
EMAILS = [f"{name}@school.test" for name in ("ada", "bob", "cy", "dee")]


async def outcomes(servers: Bank, ids: Sequence[UUID]) -> list[tuple[str, str | None]]:
    """The status and the code of each of these commands."""
    found = [await servers.outcome(one) for one in ids]
    return [(one.status, one.code) for one in found]


async def ended(servers: Bank, *commands: object) -> list[tuple[str, str | None]]:
    return await outcomes(servers, [await servers.submit(one, school) for one in commands])


def violations(
    domain: Domain, events: Sequence[RecordedEvent], broken: Callable[[States], list[str]]
) -> list[str]:
    """What is broken after any event of the log. The versions of each stream are dense."""
    states: States = {}
    versions = Counter[str]()
    found = []
    for event in events:
        aggregate = domain.aggregate_type(event.aggregate)
        assert aggregate is not None
        versions[event.stream] += 1
        assert event.version == versions[event.stream], event
        instance = domain.decode(event.type, event.schema_version, event.data, event.position)
        states[event.stream] = aggregate.evolve(states.get(event.stream, aggregate.initial()), instance)
        found += [f"{event.position}: {problem}" for problem in broken(states)]
    return found


def broken_in_school(states: States) -> list[str]:
    students = [one for one in states.values() if isinstance(one, Student)]
    held = Counter(one.email.casefold() for one in students if one.email is not None)
    found = [f"{email} twice" for email, count in held.items() if count > 1]
    found += [f"{len(one.courses)} courses" for one in students if len(one.courses) > 5]
    return found + [str(one) for one in states.values() if isinstance(one, Course) and one.seats < 0]


def broken_in_wards(states: States) -> list[str]:
    off = {stream for stream, one in states.items() if not one.on_call}
    pairs = [(f"doctor-{n}", f"doctor-{n + 1}") for n in range(0, DOCTORS, 2)]
    return [f"{one} and {other} are off" for one, other in pairs if {one, other} <= off]


def random_command(random_: random.Random) -> object:
    student, other = random_.sample(STUDENTS, 2)
    match random_.randrange(10):
        case 0 | 1:
            return Register(student, random_.choice(EMAILS).title())
        case 2:
            return Leave(student)
        case 3:
            return SwapDesks(student, other)
        case _:
            return Enrol(student, random_.choice(COURSES))


async def test_a_decider_over_two_streams_appends_to_both_or_to_none(servers: Bank) -> None:
    ada, bob = STUDENTS[:2]
    async with running(servers.processor(school).run()):
        assert (
            await ended(servers, Register(ada, "a"), Register(bob, "b"), OpenCourse(COURSES[0], 1))
            == [(Status.APPLIED, None)] * 3
        )
        assert await ended(servers, Enrol(ada, COURSES[0]), Enrol(bob, COURSES[0])) == [
            (Status.APPLIED, None),
            (Status.REJECTED, "FULL"),
        ]
        assert await ended(servers, Enrol(ada, COURSES[1])) == [(Status.REJECTED, "FULL")]
    log = await servers.log()
    assert [(event.stream, event.version, event.type) for event in log[3:]] == [
        (f"student-{ada}", 2, "Joined"),
        (f"course-{COURSES[0]}", 2, "SeatTaken"),
    ]


async def test_a_key_is_of_one_stream_until_its_state_gives_it_up(servers: Bank) -> None:
    ada, bob, cy = STUDENTS[:3]
    async with running(servers.processor(school).run()):
        assert await ended(
            servers,
            Register(ada, "Ada@x", ("1", "2")),
            Register(bob, "ADA@X"),
            Register(bob, "bob@x", ("2", "3")),
            Register(bob, "bob@x", ("3",)),
            Register(ada, "ada@x", ("1",)),
            Leave(ada),
            Register(cy, "ada@x", ("1", "2")),
            Register(ada, "ada@x"),
        ) == [
            (Status.APPLIED, None),
            (Status.REJECTED, "NOT_UNIQUE"),
            (Status.REJECTED, "NOT_UNIQUE"),
            (Status.APPLIED, None),
            (Status.APPLIED, None),
            (Status.APPLIED, None),
            (Status.APPLIED, None),
            (Status.REJECTED, "NOT_UNIQUE"),
        ]
    assert violations(school, await servers.log(), broken_in_school) == []


def random_move(random_: random.Random) -> object:
    doctor = random_.randrange(DOCTORS)
    return GoOffCall(doctor, doctor ^ 1) if random_.random() < 0.5 else GoOnCall(doctor)


async def decided(
    servers: Bank, domain: Domain, commands: Iterator[object], how_many: int, random_: random.Random
) -> list[Outcome]:
    """Three processors decide so many commands; every moment one is stopped, and another one begins."""
    ids: list[UUID] = []
    sent = asyncio.Event()

    async def send() -> None:
        for _ in range(how_many // _AT_ONCE):
            some = [servers.submit(next(commands), domain) for _ in range(_AT_ONCE)]
            ids.extend(await asyncio.gather(*some))
        sent.set()

    async with AsyncExitStack() as stack:

        async def begun() -> asyncio.Task[None]:
            processor = servers.processor(domain, batch_size=50)
            return await stack.enter_async_context(running(processor.run()))

        tasks = [await begun() for _ in range(3)]
        sending = await stack.enter_async_context(running(send()))
        while not sent.is_set():
            await asyncio.sleep(random_.uniform(0.2, 0.6))
            stopped = tasks.pop(0)
            stopped.cancel()
            with suppress(asyncio.CancelledError):
                await stopped
            tasks.append(await begun())
        await sending
        return [await servers.outcome(one) for one in ids]


async def test_no_rule_is_broken_by_three_processors_that_come_and_go(servers: Bank) -> None:
    random_ = random.Random(19)
    opened = (OpenCourse(course, SEATS) for course in COURSES)
    commands = chain(opened, (random_command(random_) for _ in count()))
    found = await decided(servers, school, commands, COMMANDS, random_)
    log = await servers.log()
    assert violations(school, log, broken_in_school) == []
    assert {one.status for one in found} == {Status.APPLIED, Status.REJECTED}
    codes = Counter(one.code for one in found)
    assert codes["NOT_UNIQUE"] and codes["FULL"] and codes["NOT_REGISTERED"], codes
    assert len(log) == sum(one.event_count for one in found)


async def contend(servers: Bank, random_: random.Random) -> None:
    """Has some commands decided that two processors meet on."""
    numbers = random_.choices(range(DOCTORS), k=_AT_ONCE)
    moves = [GoOffCall(n, (n + 4) % DOCTORS) if random_.random() < 0.5 else GoOnCall(n) for n in numbers]
    await outcomes(servers, await asyncio.gather(*(servers.submit(one, wards) for one in moves)))


async def test_processors_that_contend_decide_while_the_log_is_held_and_ahead_again_later(
    servers: Bank,
) -> None:
    processors = [servers.processor(wards, batch_size=20) for _ in range(2)]
    random_ = random.Random(19)
    async with running(processors[0].run()), running(processors[1].run()), asyncio.timeout(120):
        while not all(one.owned for one in processors):
            await asyncio.sleep(0.01)
        while not (contended := [one for one in processors if one._batches.contended]):
            await contend(servers, random_)
        one = contended[0]
        while one._batches.contended:  # it meets nothing of others
            own = [n for n in range(DOCTORS) if partition_of(f"doctor-{n}", PARTITIONS) in one.owned]
            if own:  # on a busy machine it can lose its partitions for a moment
                await outcomes(servers, [await servers.submit(GoOnCall(own[0]), wards)])
            await asyncio.sleep(0.01)


@asynccontextmanager
async def one_of_two_stands_by(servers: Bank) -> AsyncIterator[Callable[[], dict[asyncio.Task[None], int]]]:
    """Two processors contend until one stands by. Gives what tells how many partitions each owns."""
    random_ = random.Random(19)

    async def contend_on() -> None:
        while True:
            await contend(servers, random_)

    processors = [servers.processor(wards, batch_size=20) for _ in range(2)]
    async with AsyncExitStack() as stack, asyncio.timeout(60):
        tasks = [await stack.enter_async_context(running(one.run())) for one in processors]

        def owned() -> dict[asyncio.Task[None], int]:
            return {task: len(one.owned) for task, one in zip(tasks, processors, strict=True)}

        async with running(contend_on()):
            while sorted(owned().values()) != [0, PARTITIONS]:
                await asyncio.sleep(0.01)
        yield owned


@pytest.fixture
def stands_by_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decided_batches, "_LARGE", 1)
    monkeypatch.setattr(upkeep, "_CONTENDS_AFTER", 3)


@pytest.mark.usefixtures("stands_by_soon")
async def test_a_processor_that_stands_by_takes_over_at_once(servers: Bank) -> None:
    async with one_of_two_stands_by(servers) as owned:
        [standby, active] = sorted(owned(), key=lambda task: owned()[task])
        active.cancel()
        while owned()[standby] != PARTITIONS:
            await asyncio.sleep(0.01)


@pytest.mark.usefixtures("stands_by_soon")
async def test_a_processor_that_stands_by_shares_again_after_its_time(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "STANDS_BY_SECONDS", 1)
    async with one_of_two_stands_by(servers) as owned:
        while [*owned().values()] != [PARTITIONS // 2] * 2:
            await asyncio.sleep(0.01)


async def test_what_a_decision_has_only_read_is_still_so_when_it_is_stored(servers: Bank) -> None:
    random_ = random.Random(19)
    commands = (random_move(random_) for _ in count())
    found = await decided(servers, wards, commands, COMMANDS, random_)
    assert violations(wards, await servers.log(), broken_in_wards) == []
    assert {one.code for one in found} == {None, "ALONE"}


def random_wish(random_: random.Random) -> object:
    customer = random_.randrange(8)
    if random_.random() < 0.5:
        return ReleaseSeats(customer)
    return HoldSeat(customer, random_.choice("ab"), random_.randrange(5))


def broken_in_concerts(states: States) -> list[str]:
    seats = Counter(seat for one in states.values() for seat in one.seats)
    rooms = Counter(concert for concert, _ in seats.elements())
    found = [f"{seat} is held {count} times" for seat, count in seats.items() if count > 1]
    return found + [f"{count} in {concert}" for concert, count in rooms.items() if count > ROOM]


async def test_what_a_query_of_the_log_has_found_is_still_all_when_it_is_stored(servers: Bank) -> None:
    random_ = random.Random(19)
    commands = (random_wish(random_) for _ in count())
    found = await decided(servers, concerts, commands, COMMANDS, random_)
    log = await servers.log()
    assert violations(concerts, log, broken_in_concerts) == []
    assert {one.code for one in found} == {None, "TAKEN", "FULL"}
    tags = await servers.database.fetch("select value, position from event_tags order by position")
    assert [(row["value"], row["position"]) for row in tags] == [
        (f"{event.type} concert:{json.loads(event.data)['concert']}", event.position) for event in log
    ]
    await servers.database.fetch("delete from log_indexes")  # and from history
    async with running(servers.processor(concerts).run()):
        await servers.outcome(await servers.submit(ReleaseSeats(99), concerts))
    again = await servers.database.fetch("select value, position from event_tags order by position")
    assert list(map(tuple, again)) == list(map(tuple, tags))


async def test_the_audit_finds_nothing_wrong_with_events_in_several_streams(servers: Bank) -> None:
    ada, bob = STUDENTS[:2]
    async with running(servers.processor(school).run()):
        await ended(servers, Register(ada, "a"), Register(bob, "b"), OpenCourse(COURSES[0], 2))
        await ended(servers, SwapDesks(ada, bob), Enrol(ada, COURSES[0]), Enrol(bob, COURSES[0]))
    audit = await begun(school, servers.database)
    checks = (EVENTS, VERSIONS, OUTCOMES)
    found = [one for check in checks async for one in check.run(audit, lambda done, all_: None)]
    assert found == []
    async with servers.database.connection() as connection:
        await connection.execute("alter table events disable trigger all")
        await connection.execute("update events set version = 9 where type = 'Joined' and position = 6")
    found = [one async for one in EVENTS.run(audit, lambda done, all_: None)]
    assert [one.where for one in found] == ["position 6"]
