"""Appending: dense positions in commit order, one outcome per command, all of a batch or nothing."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple, replace

from commander.eventstore.database import Connection, Database
from commander.eventstore.log.checkpoints import partition_progress, settle_partitions
from commander.eventstore.log.event_log import (
    Append,
    AppendConflict,
    append,
    head_position,
)
from commander.eventstore.log.outcomes import events_of_outcome, known_outcomes, outcome_of
from commander.eventstore.log.ranges import read_log
from commander.eventstore.records import Decision, NewEvent, Progress, RecordedEvent, Status
from tests.drawing import examples
from tests.eventstore.decisions import NOW, command, decision, digest_of, new_event, refusal

# A command: which of its connection's streams it is for, and how many events it makes or how it is refused.
steps = st.tuples(st.integers(0, 1), st.sampled_from([0, 1, 1, 2, 5, "REJECTED", "FAILED", "REACTION"]))
batches = st.lists(st.lists(steps, max_size=6), max_size=5)


class Appending:
    """One connection's batches, on streams that no other connection writes to."""

    def __init__(self, plan: Sequence[Sequence[tuple[int, Any]]]) -> None:
        self._plan = plan
        self._streams = [f"account-{uuid4()}", f"transfer-{uuid4()}"]
        self._versions = dict.fromkeys(self._streams, 0)
        self.decisions: list[Decision] = []
        self.recorded: list[RecordedEvent] = []

    async def run(self, database: Database) -> None:
        async with database.connection() as connection:
            for batch in self._plan:
                decisions = [self._decision(*step) for step in batch]
                appended = await append(connection, decisions, None)
                self.decisions += decisions
                self.recorded += appended.events
                assert [e.position - appended.base for e in appended.events] == list(
                    range(1, len(appended.events) + 1)
                )

    def _decision(self, number: int, what: Any) -> Decision:
        stream = self._streams[number]
        version = self._versions[stream]
        if what == "REACTION":
            return refusal(stream, version, reactor="transfers", causation_position=1)
        if isinstance(what, str):
            return refusal(stream, version, Status(what))
        self._versions[stream] += what
        return decision(stream, version, what)


async def whole_log(database: Database, after: int = 0) -> list[RecordedEvent]:
    return await read_log(database, after, await head_position(database), 100_000)


@examples(25)
@given(st.lists(batches, min_size=1, max_size=4))
async def test_whatever_is_appended_at_once_the_log_is_dense_and_each_outcome_points_to_its_events(
    database: Database, plans: list[Any]
) -> None:
    before = await head_position(database)
    writers = [Appending(plan) for plan in plans]
    await asyncio.gather(*(writer.run(database) for writer in writers))
    log = await whole_log(database, before)

    assert [e.position for e in log] == list(range(before + 1, before + len(log) + 1))
    assert await head_position(database) == before + len(log)
    assert log == sorted((e for w in writers for e in w.recorded), key=lambda e: e.position), "as it was told"
    assert [e.recorded_at for e in log] == sorted(e.recorded_at for e in log)
    versions: dict[str, list[int]] = defaultdict(list)
    for event in log:
        versions[event.stream].append(event.version)
    assert all(found == list(range(1, len(found) + 1)) for found in versions.values())
    for writer in writers:
        for made in writer.decisions:
            await assert_stored(database, made)


async def assert_stored(database: Database, made: Decision) -> None:
    """The outcome says what was decided, and points to its events and to no other."""
    outcome = await outcome_of(database, made.command.command_id)
    assert outcome is not None
    expected = made.events + ((made.rejection,) if made.rejection else ())
    events = await events_of_outcome(database, outcome)
    assert [NewEvent(e.type, e.schema_version, e.data) for e in events] == list(expected)
    assert {e.command_id for e in events} <= {made.command.command_id}
    assert outcome.event_count == len(expected)
    assert outcome[:9] == (
        made.command.command_id,
        made.command.type,
        made.command.stream,
        bytes(made.command.data).decode(),
        made.digest,
        made.status.value,
        made.code,
        made.message,
        outcome.position,
    )
    assert outcome.version == made.version
    assert outcome.submitted_at == made.command.submitted_at
    assert outcome.decider_now == made.decider_now
    assert (outcome.reactor, outcome.causation_position) == (
        made.command.reactor,
        made.command.causation_position,
    )
    assert {e.recorded_at for e in events} <= {outcome.decided_at}


async def test_everything_that_is_known_of_a_command_is_stored(database: Database) -> None:
    known: dict[str, Any] = {
        "type": "Transfer",
        "correlation_id": uuid4(),
        "causation_position": 2**40,
        "reactor": "transfers",
        "actor": "ada",
        "submitted_at": datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    }
    made = decision("account-1", 0, 2, **known, traceparent="00-a-b-01")
    async with database.connection() as connection:
        appended = await append(connection, [made], None)
        outcomes = await known_outcomes(connection, [made.command.command_id, uuid4()])
    assert list(outcomes) == [made.command.command_id]
    outcome = outcomes[made.command.command_id]
    assert {name: getattr(outcome, name) for name in known} == known
    assert await whole_log(database) == list(appended.events)
    first, _ = appended.events
    assert astuple(first) == (
        *(
            1,
            "account-1",
            1,
            *astuple(made.events[0])[:3],
            made.command.command_id,
            known["correlation_id"],
            2**40,
        ),
        *(appended.recorded_at, "00-a-b-01"),
    )
    assert first.aggregate == "account"
    assert await outcome_of(database, uuid4()) is None


@pytest.mark.parametrize(
    "text", ["", " ", "\x1e", "\x1f", "\x1fb", "a\x1eb\x1f", "{}", "NULL", '"\\', "a\n\tb", "ü🏦"]
)
async def test_what_people_wrote_is_stored_as_they_wrote_it(database: Database, text: str) -> None:
    """Whatever stands between the values on their way to Postgres may stand in one of them too."""
    written = [
        refusal(f"account-{text}", 0, reactor=text, actor=text),
        decision(f"account-{text}", 0, 2, reactor=text, actor=text),
    ]
    written[0] = replace(written[0], code=text, message=text)
    async with database.connection() as connection:
        for batch in (written[:1], [*written[1:], decision("account", 0)], []):
            await append(connection, batch, None)
    for made in written:
        await assert_stored(database, made)
    streams = [e.stream for e in await whole_log(database) if e.aggregate == "account"]
    assert streams == [f"account-{text}", f"account-{text}", "account"]
    outcome = await outcome_of(database, written[0].command.command_id)
    assert outcome is not None
    assert (outcome.code, outcome.message, outcome.actor) == (text, text, text)


async def test_a_command_without_events_stands_at_the_head_when_it_was_decided(database: Database) -> None:
    async with database.connection() as connection:
        decisions = [decision("a-1", 0), refusal("a-1", 1), decision("a-1", 1), decision("a-1", 2, 0)]
        await append(connection, decisions, None)
        outcomes = await known_outcomes(connection, [d.command.command_id for d in decisions])
    assert [outcomes[d.command.command_id].position for d in decisions] == [1, 1, 2, 2]
    assert await events_of_outcome(database, outcomes[decisions[1].command.command_id]) == []


async def test_an_empty_batch_changes_nothing_but_progress(database: Database) -> None:
    await settle_partitions(database, 3)
    created = datetime(2030, 1, 1, tzinfo=UTC)
    async with database.connection() as connection:
        appended = await append(connection, [], Progress((0, 2), 7, created))
        progress = await partition_progress(connection, [0, 1, 2])
    assert (appended.base, appended.events) == (0, ())
    assert progress == {
        0: Progress((0,), 7, created),
        1: Progress((1,), 0, None),
        2: Progress((2,), 7, created),
    }


@pytest.mark.parametrize("repeated", ["command id", "version", "command id within", "version within"])
async def test_what_is_stored_already_is_a_conflict_that_leaves_nothing_behind(
    database: Database, repeated: str
) -> None:
    await settle_partitions(database, 1)
    first, fine = decision("account-1", 0, 2), decision("account-2", 0)
    again = {
        "command id": decision("account-3", 0, command_id=first.command.command_id),
        "version": decision("account-1", 1),
        "command id within": decision("account-3", 0, command_id=fine.command.command_id),
        "version within": decision("account-2", 0),
    }[repeated]
    async with database.connection() as connection:
        await append(connection, [first], None)
        log = await whole_log(database)
        with pytest.raises(AppendConflict):
            await append(connection, [fine, again], Progress((0,), 9, datetime.now(UTC)))
        assert await whole_log(database) == log
        assert await head_position(database) == 2
        ids = [d.command.command_id for d in (first, fine, again)]
        assert list(await known_outcomes(connection, ids)) == [first.command.command_id]
        assert (await partition_progress(connection, [0]))[0].sequence == 0
        appended = await append(connection, [fine], None)
    assert appended.base == 2, "the next one goes on without a gap"


async def test_of_many_at_once_on_one_version_or_one_command_one_wins(database: Database) -> None:
    once = command("account-2")
    same = [Decision(once, digest_of(once), Status.APPLIED, 1, (new_event(),)) for _ in range(8)]
    for racing in ([decision("account-1", 0, 3) for _ in range(8)], same):
        before = await head_position(database)
        results = await asyncio.gather(*(append_alone(database, d) for d in racing), return_exceptions=True)
        failed = [result for result in results if isinstance(result, BaseException)]
        assert [type(error) for error in failed] == [AppendConflict] * 7
        log = await whole_log(database, before)
        assert len(log) == len(racing[0].events)
        assert len({e.command_id for e in log}) == 1


async def append_alone(database: Database, made: Decision) -> None:
    async with database.connection() as connection:
        await append(connection, [made], None)


async def test_an_append_waits_for_the_one_before_it_and_fills_its_place_when_that_fails(
    database: Database,
) -> None:
    """Were positions handed out at once, a reader could pass the slow one's before they are visible."""
    async with database.connection() as slow, database.connection() as quick:
        transaction = slow.transaction()
        await transaction.start()
        assert (await append(slow, [decision("account-1", 0, 2)], None)).base == 0
        waiting = asyncio.create_task(append(quick, [decision("account-2", 0)], None))
        await until_waiting_for_a_lock(database, quick)
        assert await head_position(database) == 0
        assert await whole_log(database) == []
        await transaction.rollback()
        assert (await waiting).base == 0
    assert [(e.position, e.stream) for e in await whole_log(database)] == [(1, "account-2")]


async def until_waiting_for_a_lock(database: Database, connection: Connection) -> None:
    sql = "select wait_event_type from pg_stat_activity where pid = $1"
    async with asyncio.timeout(10):
        while await database.fetchval(sql, connection.get_server_pid()) != "Lock":
            await asyncio.sleep(0.005)


async def test_an_operator_s_isolation_level_does_not_hide_the_append_before(database: Database) -> None:
    name = await database.fetchval("select current_database()")
    await database.fetch(f"alter database \"{name}\" set default_transaction_isolation = 'repeatable read'")
    other = Database(database.url)
    try:

        async def one(number: int) -> None:
            async with other.connection() as connection:
                await append(connection, [decision(f"account-{number}", 0)], None)

        await asyncio.gather(*map(one, range(40)))
        assert await head_position(other) == 40
    finally:
        await other.close()
        await database.fetch(f'alter database "{name}" reset default_transaction_isolation')


async def test_a_reader_that_polls_for_what_is_new_sees_every_position_in_order(database: Database) -> None:
    """Invariant 3: who has seen n knows that n + 1 is next, however the appends overlap."""
    plan = [[(0, 2), (1, 1), (0, 5)], [(1, 1)], [], [(0, 1), (1, 5), (1, 2)]] * 15
    writers = [Appending(plan) for _ in range(4)]
    count = len(writers) * 15 * 17
    seen: list[int] = []

    async def poll() -> None:
        async with database.connection() as connection:
            while len(seen) < count:
                rows = await connection.fetch(
                    "select position from events where position > $1 order by position limit 50",
                    seen[-1] if seen else 0,
                )
                seen.extend(row["position"] for row in rows)
                assert seen == list(range(1, len(seen) + 1)), "one came late, behind those that were seen"

    async def poll_read_log(found: list[int]) -> None:
        while len(found) < count:
            after = found[-1] if found else 0
            found += [event.position for event in await read_log(database, after, after + 20, 20)]
            assert found == list(range(1, len(found) + 1))

    paged: list[int] = []
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for work in (poll(), poll_read_log(paged), *(writer.run(database) for writer in writers)):
            group.create_task(work)
    assert seen == list(range(1, count + 1))
    assert paged == seen


async def test_time_does_not_run_backwards_in_the_log(database: Database) -> None:
    future = datetime(2100, 1, 1, tzinfo=UTC)
    async with database.connection() as connection:
        await append(connection, [decision("account-1", 0)], None)
        await connection.execute("update commands set decided_at = $1", future)
        appended = await append(connection, [decision("account-1", 1)], None)
    assert appended.recorded_at == future, "a clock set back does not put an event before an earlier one"


@pytest.mark.parametrize(
    "statement",
    [
        "update events set data = '{}' where position = 1",
        "update events set position = 5 where position = 1",
        "delete from events where position = 1",
        "delete from events",
        "truncate events",
        "truncate events cascade",
    ],
)
async def test_what_is_in_the_log_cannot_be_changed_or_forgotten(database: Database, statement: str) -> None:
    async with database.connection() as connection:
        await append(connection, [decision("account-1", 0)], None)
        log = await whole_log(database)
        with pytest.raises(asyncpg.RestrictViolationError, match="the log is append-only"):
            await connection.execute(statement)
    assert await whole_log(database) == log


async def test_what_is_stored_is_parsed_before_the_head_is_locked(database: Database) -> None:
    """Another transaction holds the head. A document that is no JSON is refused without waiting for it."""
    wrong = decision("account-1", 0)
    wrong = replace(wrong, events=(NewEvent("Opened", 1, "no JSON"),))
    async with database.connection() as other, other.transaction(), database.connection() as connection:
        await other.execute("select from log_head for update")
        await connection.execute("set plan_cache_mode = force_generic_plan")  # as after some appends
        with pytest.raises(asyncpg.InvalidTextRepresentationError):
            async with asyncio.timeout(10):
                await append(connection, [wrong], None)
    assert await head_position(database) == 0


async def test_what_is_too_large_for_a_statement_is_stored_by_several_or_not_at_all(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await settle_partitions(database, 4)
    monkeypatch.setattr("commander.eventstore.log.event_log._MAX_STATEMENT", 300)
    streams = [f"account-{uuid4()}" for _ in range(9)]
    decisions = [
        *(decision(stream, 0, 2) for stream in streams),
        *(refusal(stream, 2, reactor="r", causation_position=1) for stream in streams),
        *(decision(stream, 2, 1) for stream in streams),
    ]
    progress = Progress((1, 3), 7, NOW)
    before = await head_position(database)
    made = Append(decisions, progress)
    assert made._parts and made._parts[0]._parts
    async with database.connection() as connection:
        appended = await made.run(connection)
        assert (await partition_progress(connection, [3]))[3].sequence == 7
        assert appended.base == before
        assert list(appended.events) == await whole_log(database, before)
        assert [event.position - before for event in appended.events] == list(range(1, 37))
        ends = 0
        for one in decisions:
            ends += len(one.events) + (one.rejection is not None)
            outcome = await outcome_of(database, one.command.command_id)
            assert outcome is not None and outcome.position == before + ends
        fresh = [decision(f"account-{uuid4()}", 0, 3) for _ in range(9)]
        with pytest.raises(AppendConflict):
            await append(connection, [*fresh, decisions[0]], None)
    assert await head_position(database) == before + 36
