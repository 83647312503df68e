"""A stream that takes long to load: others go on, its own commands wait in order, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

import msgspec
import pytest

from commander import Domain
from commander.eventstore.database import Database
from commander.eventstore.log.event_log import PAGE, append
from commander.eventstore.log.event_log import read_stream as read_stream_of_log
from commander.eventstore.log.outcomes import outcome_of
from commander.eventstore.records import NewEvent, Outcome, RecordedEvent
from commander.streaming.commands import long_loads
from commander.streaming.commands.aggregate_cache import AggregateCache
from commander.streaming.commands.outcomes import OutcomeWaiter
from commander.streaming.nats.streams import partition_of
from tests.eventstore.decisions import decision
from tests.faults.waiting import until
from tests.snapshots import stored_snapshots
from tests.streaming.conftest import PARTITIONS, Bank, running, submitted

LONG = 3 * PAGE

store = Domain("store")


@store.event
@dataclass(frozen=True)
class Added:
    shelf_id: UUID


@store.command
@dataclass(frozen=True)
class Add:
    shelf_id: UUID


@store.aggregate(key="shelf_id")
@dataclass(frozen=True)
class Shelf:
    count: int = 0

    def decide(self, command: Add) -> Added:
        return Added(command.shelf_id)

    def added(self, event: Added) -> Shelf:
        return replace(self, count=self.count + 1)


async def filled(database: Database, shelf: UUID, count: int) -> str:
    """A shelf with so many events and no snapshot; its stream."""
    stream = f"shelf-{shelf}"
    added = NewEvent("Added", 1, f'{{"shelf_id":"{shelf}"}}')
    made = msgspec.structs.replace(decision(stream, 0, count), events=(added,) * count)
    async with database.connection() as connection:
        await append(connection, [made], None)
    return stream


class Gate:
    """Holds every long load before its next page, while it is closed. arrived: how many are or were held."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._open = asyncio.Event()
        self.arrived = 0
        patch.setattr(long_loads, "read_stream", self._read_stream)

    def open(self) -> None:
        self._open.set()

    async def _read_stream(self, database: Database, stream: str, after: int) -> list[RecordedEvent]:
        self.arrived += 1
        await self._open.wait()
        return await read_stream_of_log(database, stream, after)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


def partition(shelf: UUID) -> int:
    return partition_of(f"shelf-{shelf}", PARTITIONS)


def shelf_where(is_wanted: Callable[[UUID], bool]) -> UUID:
    return next(shelf for shelf in iter(uuid4, None) if is_wanted(shelf))


async def submit(servers: Bank, *shelves: UUID) -> list[UUID]:
    """One command for each of these shelves, in this order."""
    return [await servers.submit(Add(shelf), store) for shelf in shelves]


async def outcomes(servers: Bank, ids: list[UUID]) -> list[Outcome]:
    return [await servers.outcome(one) for one in ids]


async def progress(servers: Bank) -> set[int]:
    return {row["sequence"] for row in await servers.database.fetch("select sequence from progress")}


async def assert_each_once(servers: Bank, ids: list[UUID]) -> None:
    found = await servers.database.fetch("select command_id from events where command_id = any($1)", ids)
    assert sorted(row["command_id"] for row in found) == sorted(ids)


async def test_others_are_decided_while_a_long_stream_is_loaded_and_its_commands_wait_in_order(
    servers: Bank, gate: Gate
) -> None:
    long = uuid4()
    near = shelf_where(lambda shelf: partition(shelf) == partition(long))
    stream = await filled(servers.database, long, LONG)
    async with running(servers.processor(store, long_stream=PAGE, batch_size=3).run()):
        [earlier] = await submit(servers, near)
        first = (await servers.outcome(earlier)).number
        ids = await submit(servers, long, near, long, *[uuid4() for _ in range(5)], near, long)
        waiting, others = [ids[0], ids[2], ids[-1]], [*ids[1:2], *ids[3:-1]]
        decided = await outcomes(servers, others)
        assert {one.status for one in decided} == {"APPLIED"}
        assert [await outcome_of(servers.database, one) for one in waiting] == [None] * 3
        assert max(await progress(servers)) == 1, "it stays before the first that waits"
        assert gate.arrived == 1
        gate.open()
        own = await outcomes(servers, waiting)
        await until_progress(servers, 11)
    assert [one.version for one in own] == [LONG + 1, LONG + 2, LONG + 3]
    assert first < min(one.number for one in decided)
    assert max(one.number for one in decided) < own[0].number < own[1].number < own[2].number
    async with servers.database.connection() as connection:
        [snapshot] = await stored_snapshots(connection, [stream])
    assert (snapshot.version, snapshot.state) == (LONG, f'{{"count":{LONG}}}')
    await assert_each_once(servers, [earlier, *ids])


async def until_progress(servers: Bank, sequence: int) -> None:
    async def is_there() -> bool:
        return await progress(servers) == {sequence}

    await until(is_there, f"the progress is {sequence}")


async def test_with_the_snapshot_the_next_owner_does_not_wait(servers: Bank, gate: Gate) -> None:
    long = uuid4()
    await filled(servers.database, long, LONG)
    gate.open()
    async with running(servers.processor(store, long_stream=PAGE).run()):
        await outcomes(servers, await submit(servers, long))
    before = gate.arrived
    assert before > 0
    async with running(servers.processor(store, long_stream=PAGE).run()):
        [outcome] = await outcomes(servers, await submit(servers, long))
    assert (outcome.version, gate.arrived) == (LONG + 2, before)


async def test_who_takes_over_decides_the_waiting_and_not_again_the_others(servers: Bank, gate: Gate) -> None:
    long, others = uuid4(), [uuid4() for _ in range(6)]
    await filled(servers.database, long, LONG)
    ended = servers.processor(store, long_stream=PAGE, purge_seconds=0.05, batch_size=2)
    async with running(ended.run()):
        [purged] = await submit(servers, others[0])
        await servers.outcome(purged)
        ids = await submit(servers, long, *others, long)
        await outcomes(servers, ids[1:-1])

        async def is_purged() -> bool:
            return (await servers.nats.jetstream.stream_info("COMMANDS")).state.first_seq > 1

        await until(is_purged, "the first command, before all that wait, is removed")
    gate.open()
    async with running(servers.processor(store, long_stream=PAGE).run()):
        own = await outcomes(servers, [ids[0], ids[-1]])
    assert [one.version for one in own] == [LONG + 1, LONG + 2]
    await assert_each_once(servers, [purged, *ids])


async def test_a_load_goes_on_when_other_partitions_are_given_away(servers: Bank, gate: Gate) -> None:
    longs = [shelf_where(lambda shelf, n=n: partition(shelf) == n) for n in range(PARTITIONS)]  # type: ignore[misc]
    for long in longs:
        await filled(servers.database, long, LONG)
    first = servers.processor(store, long_stream=PAGE)
    async with running(first.run()):
        ids = await submit(servers, *longs, *longs)

        async def are_loading() -> bool:
            return len(first._loads._loads) == PARTITIONS

        await until(are_loading, "all of them are loaded")
        loads = dict(first._loads._loads)
        second = servers.processor(store, long_stream=PAGE)
        async with running(second.run()):

            async def are_shared() -> bool:
                return (len(first.owned), len(second.owned)) == (PARTITIONS // 2, PARTITIONS // 2)

            await until(are_shared, "each has half of the partitions")
            kept = [f"shelf-{long}" for long in longs if partition(long) in first.owned]
            assert {stream: loads[stream].task for stream in kept} == {
                stream: load.task for stream, load in first._loads._loads.items()
            }
            gate.open()
            done = await outcomes(servers, ids)
            assert first._loads._stream_of == {}, "it has forgotten those that it gave away"
    assert [one.version for one in done] == [LONG + 1] * PARTITIONS + [LONG + 2] * PARTITIONS
    await assert_each_once(servers, ids)


async def test_under_load_every_command_is_decided_in_its_order(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelves = [uuid4() for _ in range(7)]
    for long in shelves[:2]:
        await filled(servers.database, long, LONG)
    made = [submitted(Add(shelves[n % 7]), store) for n in range(4200)]
    await asyncio.gather(*map(servers.submitter.submit, made))
    processor = servers.processor(store, long_stream=PAGE, batch_size=10)

    async def when_some_wait(database: Database, stream: str, after: int) -> list[RecordedEvent]:
        while sum(len(load.waiting) for load in processor._loads._loads.values()) < 100:
            await asyncio.sleep(0.002)
        return await read_stream_of_log(database, stream, after)

    monkeypatch.setattr(long_loads, "read_stream", when_some_wait)
    async with running(processor.run()):
        done = await outcomes(servers, [one.command_id for one in made])
    for n, shelf in enumerate(shelves):
        begun = LONG if n < 2 else 0
        versions = [one.version for one in done if one.stream == f"shelf-{shelf}"]
        assert versions == list(range(begun + 1, begun + 601))
    assert min(one.number for one in done[::7]) < max(one.number for one in done[6::7]), "amid the others"
    await assert_each_once(servers, [one.command_id for one in made])


async def test_only_so_many_commands_wait(servers: Bank, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_loads, "_MOST_WAITING", 4)
    long, other = uuid4(), uuid4()
    await filled(servers.database, long, LONG)
    processor = servers.processor(store, long_stream=PAGE, batch_size=2)
    async with running(processor.run()):
        ids = await submit(servers, *[long] * 40, other)

        async def is_full() -> bool:
            return processor._loads.is_full and processor._current_look_up is None

        await until(is_full, "no more may wait")
        assert sum(len(load.waiting) for load in processor._loads._loads.values()) <= 4 + 2 * 2
        assert await outcome_of(servers.database, ids[-1]) is None
        gate.open()
        done = await outcomes(servers, ids)
    assert [one.version for one in done[:-1]] == list(range(LONG + 1, LONG + 41))
    await assert_each_once(servers, ids)


async def test_a_command_that_waits_twice_is_decided_once_and_told_twice(servers: Bank, gate: Gate) -> None:
    waiter = OutcomeWaiter(servers.nats, servers.database)
    await waiter.start()
    long, other = uuid4(), uuid4()
    await filled(servers.database, long, LONG)
    command_id = uuid4()
    first = submitted(Add(long), store, command_id=command_id)
    again = submitted(Add(long), store, command_id=command_id, reply=waiter.reply)
    elsewhere = submitted(Add(other), store, command_id=command_id)
    async with running(servers.processor(store, long_stream=PAGE, batch_size=2).run()):
        with waiter.expect(command_id) as expected:
            for command in (first, again, elsewhere):
                await servers.submitter.submit(command)
            last = await submit(servers, uuid4(), other)
            done = await outcomes(servers, last)
            assert await outcome_of(servers.database, command_id) is None
            gate.open()
            async with asyncio.timeout(10):
                told = await expected._future  # Postgres is not asked
    assert (told.stream, told.version) == (f"shelf-{long}", LONG + 1)
    assert done[1].version == 1
    await assert_each_once(servers, [command_id, *last])


@pytest.mark.parametrize("count", [1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE])
async def test_a_load_reads_a_stream_to_its_end_or_to_its_limit(database: Database, count: int) -> None:
    stream = await filled(database, uuid4(), count)
    states = AggregateCache(store, capacity=10, snapshot_every=10)
    async with database.connection() as connection:
        long = await states.load(connection, [stream], limit=2 * PAGE)
        if count < 2 * PAGE:
            assert (states[stream].version, states[stream].state.count, long) == (count, count, {})
        else:
            assert (long[stream].version, stream in states) == (count, False)
        await states.load(connection, [stream])
    assert (states[stream].version, states[stream].state.count) == (count, count)
