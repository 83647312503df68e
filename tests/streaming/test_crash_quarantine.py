"""A command that ends its processor is found in three attempts; the rest go on, in few transactions."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from commander.dev.embedded import EmbeddedNats
from commander.eventstore.database import Database
from commander.eventstore.log.checkpoints import partition_progress
from commander.eventstore.log.event_log import append, ended_commands
from commander.eventstore.records import Decision, NewEvent, Progress, Status, SubmittedCommand
from commander.streaming.commands.crash_quarantine import possible_causes, slices_of
from commander.streaming.commands.partition_reader import PartitionReader, Received
from tests.faults.waiting import until
from tests.forking import Forked, fork_server
from tests.streaming.conftest import PARTITIONS, Bank, running, submitted
from tests.streaming.fragile import BATCH, Count, Counted, fragile

IN_PROGRESS = 4 * 100
"""Batches in progress, times the commands that one message may have."""


class Processors:
    """`tests.streaming.fragile` as processes. deaths: how many have ended."""

    def __init__(self, database_url: str, nats_url: str) -> None:
        self._arguments = [database_url, nats_url, str(PARTITIONS)]
        self.deaths = 0

    @contextmanager
    def one(self) -> Iterator[Forked]:
        """A process, killed at the end."""
        with open(os.devnull, "wb") as nowhere:
            process = fork_server().start(
                self._arguments,
                os.environ,
                nowhere.fileno(),
                nowhere.fileno(),
                entry="tests.streaming.fragile:main",
            )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    async def supervised(self) -> None:
        """A process that is started again whenever it ends."""
        while True:
            with self.one() as process:
                while process.poll() is None:
                    await asyncio.sleep(0.02)
            self.deaths += 1


def counting(counter_id: UUID, *, fatal: bool, many: int = 1) -> Decision:
    """The first decision of a counter. fatal: its last event ends the process of whoever folds it."""
    command = submitted(Count(counter_id), fragile)
    made = [Counted(counter_id)] * (many - 1) + [Counted(counter_id, fatal)]
    encode = fragile.events["Counted"].encode
    events = tuple(NewEvent("Counted", 1, encode(event).decode()) for event in made)
    return Decision(command, command.digest, Status.APPLIED, many, events)


@pytest.fixture
def processors(database_url: str, nats_server: EmbeddedNats) -> Processors:
    return Processors(database_url, nats_server.url)


async def enqueue(servers: Bank, commands: Sequence[SubmittedCommand], *, at_once: bool = True) -> None:
    """at_once: many of them share a message."""
    if at_once:
        await asyncio.gather(*map(servers.submitter.submit, commands))
    else:
        for command in commands:
            await servers.submitter.submit(command)


async def transactions(database: Database) -> list[int]:
    """How many commands each transaction decided."""
    sql = "select count(*) from commands group by decided_at order by decided_at"
    return [row["count"] for row in await database.fetch(sql)]


async def until_forgotten(database: Database) -> None:
    async def forgotten() -> bool:
        return bool(await database.fetchval("select count(*) = 0 from attempts"))

    await until(forgotten, "a command with an outcome has no stored attempts")


@pytest.mark.parametrize(("how", "at_once"), [("kill", False), ("kill", True), ("hang", False)])
async def test_a_command_that_ends_its_processor_is_failed_after_three_attempts(
    servers: Bank, processors: Processors, how: str, at_once: bool
) -> None:
    counter, other = uuid4(), uuid4()
    commands = [Count(c) for c in (counter, counter, counter)]
    commands += [Count(counter, how), Count(counter), Count(other), Count(counter)]
    made = [submitted(command, fragile) for command in commands]
    await enqueue(servers, made, at_once=at_once)
    ids = [command.command_id for command in made]
    killer, others = ids[3], ids[:3] + ids[4:]
    async with running(processors.supervised()):
        outcome = await servers.outcome(killer, timeout_seconds=40)
        rest = [await servers.outcome(command_id, 40) for command_id in others]
        await until_forgotten(servers.database)
    assert (outcome.status, outcome.code) == ("FAILED", "CRASHED_PROCESSOR")
    assert processors.deaths == 3, "each attempt took one process with it"
    assert {one.status for one in rest} == {"APPLIED"}
    assert [event.position for event in await servers.log()] == list(range(1, 7))


async def test_two_that_end_their_processor_are_found_among_many(
    servers: Bank, processors: Processors
) -> None:
    counters = [uuid4() for _ in range(7)]
    made = [submitted(Count(counters[n % 7]), fragile) for n in range(1000)]
    killers = [submitted(Count(counters[n], "kill"), fragile) for n in (0, 3)]
    await enqueue(servers, [*made[:150], killers[0], *made[150:152], killers[1], *made[152:]])
    async with running(processors.supervised()):
        outcomes = [await servers.outcome(killer.command_id, timeout_seconds=60) for killer in killers]
        await servers.outcome(made[-1].command_id, timeout_seconds=60)
        await until_forgotten(servers.database)
    assert {one.code for one in outcomes} == {"CRASHED_PROCESSOR"}
    assert processors.deaths == 4, "the first two are of both: in a batch and in a slice"
    log = await servers.log()
    by_counter = {c: [one.command_id for one in log if one.stream == f"counter-{c}"] for c in counters}
    assert by_counter == {
        c: [one.command_id for one in made if one.stream == f"counter-{c}"] for c in counters
    }
    alone = [size for size in await transactions(servers.database) if size == 1]
    assert len(alone) <= 2 * 40, "a slice has twice the root of the suspects"


async def test_after_a_kill_the_suspects_are_decided_in_slices_and_the_rest_in_batches(
    servers: Bank, processors: Processors
) -> None:
    made = [submitted(Count(uuid4()), fragile) for _ in range(4000)]
    await enqueue(servers, made)
    with processors.one():

        async def decides() -> bool:
            return await ended_commands(servers.database) > 200

        await until(decides, "it decides")
    before = await transactions(servers.database)
    assert sum(before) < 3000, "it was killed at work"
    async with running(servers.processor(fragile, batch_size=BATCH).run()):
        await servers.outcome(made[-1].command_id, timeout_seconds=60)
    sizes = (await transactions(servers.database))[len(before) :]
    assert sizes.count(1) < 5
    assert sum(size <= 40 for size in sizes) <= 12, f"{IN_PROGRESS} suspects make 10 slices of 40: {sizes}"
    assert {event.version for event in await servers.log()} == {1}
    assert not await servers.database.fetchval("select count(*) from attempts")


async def test_without_suspects_a_mark_is_cleared(servers: Bank) -> None:
    """The last owners are two: a run, and a process of the version before, whose mark has no run."""
    sql = "update partitions set running = true, owner = case when partition < 2 then gen_random_uuid() end"
    await servers.database.fetch(sql)

    async def marked() -> bool:
        rows = await servers.database.fetch("select distinct owner from partitions where running")
        return [row["owner"] is None for row in rows] == [False]

    async with running(servers.processor(fragile).run()):
        await until(marked, "one run has marked all partitions")
    assert not await servers.database.fetchval("select count(*) from partitions where running")


async def test_a_stop_amid_the_suspects_is_no_attempt_and_leaves_them_to_the_next(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [submitted(Count(uuid4()), fragile) for _ in range(300)]
    await enqueue(servers, made)
    dead = uuid4()
    await servers.database.fetch("update partitions set running = true, owner = $1", dead)
    processor = servers.processor(fragile, batch_size=BATCH)
    async with servers.database.connection() as connection, connection.transaction():
        await connection.execute("select from log_head for update")
        async with running(processor.run()):

            async def attempted() -> bool:
                return bool(await servers.database.fetchval("select count(*) from attempts"))

            await until(attempted, "the first slice is in progress")
    assert not await servers.database.fetchval("select count(*) from attempts")
    owners = await servers.database.fetch("select distinct running, owner from partitions")
    assert [tuple(row) for row in owners] == [(True, dead)]
    async with running(servers.processor(fragile, batch_size=BATCH).run()):
        await servers.outcome(made[-1].command_id)
    assert (await transactions(servers.database))[0] == 35, "twice the root of 300"


@pytest.mark.parametrize("many", [1, 3000])  # a stream that is loaded at once, and one beside others
async def test_an_event_that_ends_whoever_reads_it_fails_the_commands_of_its_stream(
    servers: Bank, processors: Processors, many: int
) -> None:
    deadly, other = uuid4(), uuid4()
    async with servers.database.connection() as connection:
        await append(connection, [counting(deadly, fatal=True, many=many)], None)
    made = [submitted(Count(counter), fragile) for counter in (other, deadly, other)]
    await enqueue(servers, made)
    async with running(processors.supervised()):
        outcomes = [await servers.outcome(one.command_id, timeout_seconds=40) for one in made]
    assert [one.code for one in outcomes] == [None, "CRASHED_PROCESSOR", None]
    assert outcomes[1].version == many
    assert processors.deaths == 3


async def test_suspects_are_those_that_waited_for_a_long_stream_and_those_after_the_last_decided(
    servers: Bank,
) -> None:
    waited, last = Count(uuid4()), [submitted(Count(uuid4()), fragile) for _ in range(30)]
    first, decided = submitted(waited, fragile), [submitted(Count(uuid4()), fragile) for _ in range(250)]
    await enqueue(servers, [first, *decided, *last])
    connection = await servers.database.connect("test")
    try:
        outcomes = [Decision(one, one.digest, Status.REJECTED, 0, code="NO", message="no") for one in decided]
        await append(connection, outcomes, None)
        async with PartitionReader(servers.nats, range(PARTITIONS), PARTITIONS) as reader:
            await reader.open(await partition_progress(connection, range(PARTITIONS)))
            found = await possible_causes(connection, reader, in_progress=100)
    finally:
        connection.terminate()
    ids = {command.command_id for one in found for command in one.commands}
    assert ids == {one.command_id for one in (first, *decided, *last)}


CREATED = datetime(2026, 1, 1, tzinfo=UTC)


def received(sequence: int, *commands: SubmittedCommand) -> Received:
    return Received(list(commands), Progress((0, 1), sequence, CREATED))


def shape(
    waiting: Sequence[Received], attempts: dict[UUID, int], known: int = 0
) -> list[tuple[int, int, int]]:
    """For each slice: how many commands, how many suspects, and the sequence of its progress."""
    ids = [command.command_id for one in waiting for command in one.commands]
    slices = slices_of(waiting, set(ids[known:]), attempts)
    assert [c.command_id for one in slices for c in one.received.commands] == ids
    return [
        (len(one.received.commands), len(one.quarantined), one.received.progress.sequence) for one in slices
    ]


def test_slices_have_twice_the_root_of_the_suspects_and_one_with_an_attempt_is_alone() -> None:
    one, *many = [submitted(Count(uuid4()), fragile) for _ in range(16)]
    separate = [received(10 + n, command) for n, command in enumerate([one, *many])]
    assert shape(separate, {}) == [(8, 8, 17), (8, 8, 25)]
    attempted = shape(separate, {many[3].command_id: 1})
    assert attempted == [(4, 4, 13), (1, 1, 14), (8, 8, 22), (3, 3, 25)]
    assert shape(separate, {}, known=15) == [(16, 1, 25)]
    together = [received(10, one, *many[:9]), received(11), received(20, *many[9:])]
    assert shape(together, {}) == [(8, 8, 9), (8, 8, 20)], "before a message with more of it"
    repeated = [received(10, one), received(11, one), received(12, one)]
    assert shape(repeated, {one.command_id: 2}) == [(1, 1, 10), (2, 0, 12)]


async def test_progress_is_that_of_the_last_slice(servers: Bank) -> None:
    made = [submitted(Count(uuid4()), fragile) for _ in range(50)]
    await enqueue(servers, made)
    await servers.database.fetch("update partitions set running = true, owner = $1", uuid4())
    async with running(servers.processor(fragile).run()):
        await servers.outcome(made[-1].command_id)
        async with servers.database.connection() as connection:
            stored = await partition_progress(connection, range(PARTITIONS))
    info = await servers.nats.jetstream.stream_info("COMMANDS")
    assert {one.in_stream(info.created) for one in stored.values()} == {info.state.last_seq}
