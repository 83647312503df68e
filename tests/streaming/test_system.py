"""The figures of a system: rates, what stands still and why, measured once for all who watch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AsyncExitStack, aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from commander.domain.errors import Unavailable
from commander.eventstore.database import Database
from commander.eventstore.locks import Lock
from commander.eventstore.log.command_history import OpenDeadLetters
from commander.eventstore.log.event_log import LogHead
from commander.eventstore.projections.folding import ensure_tables
from commander.eventstore.projections.tables import Table
from commander.eventstore.records import Status
from commander.streaming.commands.queue_watch import QueueLimits, QueueWatch
from commander.streaming.effects.runner import EffectRunner
from commander.streaming.log.relay import Relay
from commander.streaming.projections.projectors import Projectors
from commander.streaming.reactors.reacting import ReactorRunner
from commander.streaming.reactors.recurring import Ticker
from commander.streaming.system.api_processes import OwnFigures
from commander.streaming.system.figures import System
from commander.streaming.system.making import Making
from commander.streaming.system.reading import Found, Paced, Reading
from commander.streaming.system.watch import SystemWatch
from tests.streaming.conftest import PARTITIONS, Bank, running
from tests.streaming.filling import fill
from tests.streaming.mill import Grind, mill

UNLIMITED = QueueLimits(1000, 1_000_000_000, 3600)
BEGIN = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("commander.streaming.system.watch._PAUSE_SECONDS", 0.1)
    monkeypatch.setattr("commander.streaming.system.api_processes._PAUSE_SECONDS", 0.05)
    yield


@pytest.fixture
def mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MENDED", str(tmp_path / "MENDED"))
    return tmp_path / "MENDED"


def mend(file: Path) -> None:
    file.touch()


class Works:
    """The mill's watch, and its parts, which run when a test says so."""

    def __init__(self, servers: Bank, own: OwnFigures | None = None) -> None:
        self.servers = servers
        self.queue = QueueWatch(servers.nats, UNLIMITED)
        self.own = own or OwnFigures()
        self.watch = SystemWatch(mill, servers.database, servers.nats, self.queue, lambda: self.own)

    def work(self, part: str) -> Any:
        servers = self.servers
        given = mill, servers.database, servers.nats
        match part:
            case "processor":
                return servers.processor(mill).run()
            case "relay":
                return Relay(servers.database, servers.nats).run()
            case "projections":
                return Projectors(*given).run()
            case "reactors":
                return ReactorRunner(*given, servers.submitter, mill.reactors["sweeping"]).run()
            case "effects":
                return EffectRunner(*given, mill.effects["tell"]).run()
            case "ticker":
                return Ticker(*given, servers.submitter).run()
            case _:
                raise AssertionError(part)

    async def ground(self, breaks: str = "") -> None:
        await self.servers.outcome(await self.servers.submit(Grind(uuid4(), breaks), mill))


PARTS = ("processor", "relay", "projections", "reactors", "effects", "ticker")


async def until(items: AsyncGenerator[System, None], holds: Callable[[System], object]) -> System:
    """The first figures for which it holds."""
    async with asyncio.timeout(20):
        async for found in items:
            if holds(found):
                return found
    raise AssertionError("the figures ended")


async def started(works: Works, stack: AsyncExitStack, *parts: str) -> AsyncGenerator[System, None]:
    """These parts run, and the figures of the system come."""
    await ensure_tables(works.servers.database, [Table(mill.projections["sack"])])
    for part in parts:
        await stack.enter_async_context(running(works.work(part)))
    await stack.enter_async_context(running(works.queue.run()))
    await stack.enter_async_context(running(works.watch.run()))
    return await stack.enter_async_context(aclosing(works.watch.follow()))


async def test_what_nobody_does_is_said_for_each_part_with_what_to_start(servers: Bank) -> None:
    works = Works(servers)
    async with AsyncExitStack() as stack:
        items = await started(works, stack)
        for _ in range(3):
            await servers.submit(Grind(uuid4()), mill)
        found = await until(items, lambda one: one.queue.commands == 3)
        [table] = found.projections
        assert (table.serving, table.kept_up) == (True, False)
        assert list(found.problems) == [
            "processing: no processor decides; 3 commands wait: start `commander processor`",
            "mirror: no relay runs; the log ends at 0: start `commander relay`",
            f"projection sack: {table.table} is read, but no process keeps it up with the log: run "
            "`commander projections` with the code that made it, or `commander projections switch sack`",
            "reactor sweeping: nobody handles it: start `commander reactors`",
            "effect tell: no process calls it: start `commander effects`",
            "schedule yearly: no process sets its ticks: start `commander reactors`",
        ]
        assert [one.holder for one in found.processing.partitions] == [None] * PARTITIONS
        assert {one.problem for one in found.processing.partitions} == {"nobody holds it"}


async def test_a_system_at_work_has_no_problems_and_says_who_does_what(servers: Bank) -> None:
    works = Works(servers)
    async with AsyncExitStack() as stack:
        items = await started(works, stack, *PARTS)
        found = await until(items, lambda one: not one.problems)
        rates = [found.log.per_second]
        await works.ground()
        await works.ground("rules")
        found = await until(items, lambda one: one.processing.decided == 3 and one.mirror.movement.lag == 0)
        assert found.log.position == 2, "a sack was ground and swept"
        rates.append(found.log.per_second)
        assert {one.holder for one in found.processing.partitions} == {
            f"{one.host} {one.process}" for one in found.processing.processors
        }
        [processor] = found.processing.processors
        assert (processor.partitions, processor.code) == (PARTITIONS, mill.code.fingerprint)
        assert found.log.bytes > 0
        done = await until(items, lambda one: sum(part.movement.lag for part in followers(one)) == 0)
        [table], [reactor], [effect], [schedule] = (
            done.projections,
            done.reactors,
            done.effects,
            done.schedules,
        )
        assert [one.movement.position for one in (table, reactor, effect)] == [2, 2, 2]
        assert (reactor.held, reactor.partitions, effect.running) == (PARTITIONS, PARTITIONS, True)
        assert (schedule.cron, schedule.commands) == ("0 0 1 1 *", 1)
        assert schedule.next_at is not None and schedule.next_at > done.at
        assert done.outage is None
        still = await until(items, lambda one: one.log.per_second == 0)
        assert list(still.problems) == [], "at the end of the log nothing stands still"


def followers(one: System) -> list[Any]:
    return [*one.projections, *one.reactors, *one.effects]


async def test_what_has_failed_names_the_event_and_the_error_and_goes_when_it_is_mended(
    servers: Bank, mended: Path
) -> None:
    works = Works(servers)
    async with AsyncExitStack() as stack:
        items = await started(works, stack, *PARTS)
        await works.ground("projection")
        await works.ground("reactor")
        await works.ground("effect")
        await works.ground("processor")
        found = await until(items, lambda one: len(one.problems) == 3 and one.dead_letters.count)
        [table], [reactor], [effect] = found.projections, found.reactors, found.effects
        assert table.stopped is not None
        assert table.stopped.type == "Ground"
        assert "RuntimeError: a stone in the projection (" in table.stopped.error
        assert "in must_hold" in (table.stopped.traceback or "")
        assert table.problem == f"it has stopped: {table.stopped.error}"
        assert table.movement.position == table.stopped.position - 1
        assert (reactor.parked, reactor.stopped) == (1, None)
        assert reactor.problem == (
            "keys that wait because an event of theirs failed: 1; retry or skip the events"
        )
        assert effect.problem == "calls that failed for good: 1; retry or drop them"
        assert found.dead_letters.count == 1
        assert found.dead_letters.newest_at is not None
        mend(mended)
        await until(items, lambda one: one.projections[0].problem is None)


def reading_of(clock: float, position: int, ended: dict[Status, int], mirrored: int) -> Found:
    """What was read of a mill at work. clock: in seconds."""
    locks = {(Lock.RELAY, 0): 1, **{(Lock.PARTITION, number): 2 for number in range(2)}}
    return Found(
        now=BEGIN + timedelta(seconds=clock),
        clock=clock,
        log=LogHead(position, position, BEGIN),
        log_bytes=8192,
        ended=ended,
        mirrored=mirrored,
        queue_sequence=position // 2,
        lags={0: 0, 1: 0},
        holders=locks,
        sessions=(),
        refusals=(),
        tables=(),
        kept=frozenset(),
        reactors=(),
        effects={"tell": 0},
        effect_failures={},
        ticks={},
        dead_letters=OpenDeadLetters(0, None),
        types={},
    )


async def test_rates_are_of_the_time_between_two_readings_and_what_does_not_move_stands_still(
    servers: Bank,
) -> None:
    making, queue = Making(mill), QueueWatch(servers.nats, UNLIMITED)
    await queue.read()
    first = making.system(reading_of(0, 100, {}, 100), queue, ())
    assert (first.log.per_second, first.processing.decided_per_second) == (None, None)
    # Of 8000 outcomes the newest were read; the others are taken to have ended alike.
    ended = {Status.APPLIED: 1500, Status.REJECTED: 500}
    second = making.system(reading_of(2, 8100, ended, 4100), queue, ())
    assert (second.log.per_second, second.processing.decided_per_second) == (4000, 4000)
    assert (second.processing.applied_per_second, second.processing.rejected_per_second) == (3000, 1000)
    assert (second.processing.failed_per_second, second.queue.messages_per_second) == (0, 2000)
    moving = second.mirror
    assert (moving.movement.lag, moving.movement.per_second, moving.movement.seconds_left) == (4000, 2000, 2)
    assert moving.problem is None, "it is behind, and moves"
    standing = [making.system(reading_of(at, 8100, {}, 4100), queue, ()) for at in (3, 4, 5)]
    assert [one.mirror.problem is None for one in standing] == [True, True, False]
    assert standing[-1].mirror.problem == (
        "it has stayed at position 4100 since 00:00:02 UTC; the log ends at 8100"
    )
    assert standing[-1].mirror.movement.seconds_left is None
    caught_up = making.system(reading_of(6, 8100, {}, 8100), queue, ())
    assert caught_up.mirror.problem is None


async def test_outcomes_are_counted_by_how_they_ended(servers: Bank) -> None:
    reading = Reading(servers.database, servers.nats)
    assert (await reading.read()).ended == {}
    works = Works(servers)
    async with running(works.work("processor")):
        for breaks in ("", "", "rules", "processor"):
            await works.ground(breaks)
    assert (await reading.read()).ended == {"APPLIED": 2, "REJECTED": 1, "FAILED": 1}
    assert (await reading.read()).ended == {}


async def test_a_reading_takes_as_many_statements_however_much_there_is(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 0
    connection = Database.connection

    def counted(self: Database) -> Any:
        nonlocal count
        count += 1
        return connection(self)

    reading = Reading(servers.database, servers.nats)
    await reading.read()
    monkeypatch.setattr(Database, "connection", counted)
    await reading.read()
    few, count = count, 0
    await fill(servers.database, 600)
    count = 0
    await reading.read()
    assert max(few, count) <= 16


async def test_who_watches_shares_one_measurement_and_without_viewers_nothing_is_measured(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = 0
    read = Reading.read

    async def counted(self: Reading) -> Any:
        nonlocal readings
        readings += 1
        return await read(self)

    monkeypatch.setattr(Reading, "read", counted)
    works = Works(servers)
    async with AsyncExitStack() as stack:
        items = await started(works, stack)
        assert readings == 0
        other = await stack.enter_async_context(aclosing(works.watch.follow()))
        pairs = [(await anext(items), await anext(other)) for _ in range(5)]
        assert all(one is another for one, another in pairs)
        assert await works.watch.now() is pairs[-1][0], "the query gets what the viewers have"
        assert readings <= 6
        await items.aclose()
        await other.aclose()
        await asyncio.sleep(0.2)
        readings = 0
        await asyncio.sleep(0.4)  # four pauses
        assert readings == 0
        first, second = await asyncio.gather(works.watch.now(), works.watch.now())
        assert (readings, first is second) == (1, True)
        assert first.log.per_second is None


async def test_each_api_process_tells_what_it_does(servers: Bank) -> None:
    one = Works(servers, OwnFigures(submitted=10, connections=3, subscribers=2, feed_position=0))
    other = Works(servers, OwnFigures(submitted=5, connections=4, problem="the events do not arrive"))
    async with AsyncExitStack() as stack:
        items = await started(one, stack)
        await stack.enter_async_context(running(other.watch.run()))
        found = await until(items, lambda system: len(system.api.processes) == 2)
        assert (found.api.connections, found.api.subscribers) == (7, 2)
        assert sorted(str(process.feed_lag) for process in found.api.processes) == ["0", "None"]
        assert any(problem.endswith(": the events do not arrive") for problem in found.problems)
        other.own = OwnFigures(submitted=25)
        await until(items, lambda system: (system.api.submitted_per_second or 0) > 0)


async def test_while_a_server_is_lost_the_last_figures_stay_and_say_so(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    works = Works(servers)

    async def lost(_: Reading) -> Any:
        raise Unavailable("Postgres", "it is being restarted")

    async with AsyncExitStack() as stack:
        items = await started(works, stack)
        first = await anext(items)
        with monkeypatch.context() as patched:
            patched.setattr(Reading, "read", lost)
            found = await until(items, lambda one: one.outage)
            assert "it is being restarted" in str(found.outage)
            assert (found.at, found.problems[0]) == (first.at, found.outage) or found.at > first.at
            late = Works(servers)
            await stack.enter_async_context(running(late.watch.run()))
            with pytest.raises(Unavailable):
                await anext(late.watch.follow())
        await until(items, lambda one: one.outage is None)


async def test_what_takes_long_is_read_the_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    reads, now = 0, 100.0
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "time", lambda: now)

    async def slow() -> int:
        nonlocal reads, now
        reads, now = reads + 1, now + 2
        return reads

    paced = Paced(slow)
    assert (await paced.value(), now) == (1, 102)
    now = 141.9
    assert await paced.value() == 1
    now = 142.1
    assert await paced.value() == 2
