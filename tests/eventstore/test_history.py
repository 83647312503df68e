"""What became of commands: numbered in the order of their ends, listed by pages; dead letters, attempts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from commander import Domain
from commander.eventstore.database import Database
from commander.eventstore.log.checkpoints import settle_partitions
from commander.eventstore.log.command_history import (
    CommandFilter,
    dead_letter_action,
    list_commands,
    list_dead_letters,
    record_dead_letter_action,
    stream_version,
)
from commander.eventstore.log.event_log import append
from commander.eventstore.log.outcomes import known_outcomes
from commander.eventstore.log.quarantine import (
    Run,
    attempts_at,
    begin_running,
    end_running,
    forget_survived,
    mark_running,
    replace_attempts,
)
from commander.eventstore.log.snapshots import (
    Snapshot,
    save_snapshots,
    snapshot_of,
    state_from,
)
from commander.eventstore.records import Decision, Outcome, Status
from tests.drawing import examples
from tests.eventstore.decisions import decision, refusal
from tests.snapshots import stored_snapshots

CORRELATIONS = [UUID(int=1), UUID(int=2)]
STREAMS = ["account-1", "account-2", "transfer-1"]


@pytest_asyncio.fixture
async def ended(database: Database) -> list[Outcome]:
    """Sixty commands that have ended, in the order of their ends, in batches of several connections."""
    made: list[Decision] = []
    for n in range(60):
        stream = f"{STREAMS[n % 3]}-{n}"
        known: dict[str, Any] = {"actor": [None, "ada", "bob"][n % 3], "correlation_id": CORRELATIONS[n % 2]}
        status = [Status.APPLIED, Status.REJECTED, Status.FAILED, Status.APPLIED][n % 4]
        if status is Status.APPLIED:
            made.append(decision(stream, 0, n % 3, type=["Open", "Close"][n % 2], **known))
        else:
            made.append(refusal(stream, 0, status, **known))

    async def append_all(decisions: list[Decision]) -> None:
        async with database.connection() as connection:
            for begin in range(0, len(decisions), 4):
                await append(connection, decisions[begin : begin + 4], None)

    await asyncio.gather(*(append_all(made[part::3]) for part in range(3)))
    async with database.connection() as connection:
        outcomes = await known_outcomes(connection, [d.command.command_id for d in made])
    return sorted(outcomes.values(), key=lambda outcome: outcome.number)


def some_of(values: list[Any]) -> st.SearchStrategy[frozenset[Any] | None]:
    return st.none() | st.frozensets(st.sampled_from(values), max_size=2)


filters = st.builds(
    CommandFilter,
    statuses=some_of(list(Status)),
    types=some_of(["Open", "Close", "Gone"]),
    streams=some_of([f"{STREAMS[n % 3]}-{n}" for n in range(0, 60, 7)]),
    correlation_id=st.none() | st.sampled_from(CORRELATIONS),
    actor=st.none() | st.sampled_from(["ada", "bob", "eve"]),
)


def matches(where: CommandFilter, outcome: Outcome) -> bool:
    return (
        (where.statuses is None or outcome.status in where.statuses)
        and (where.types is None or outcome.type in where.types)
        and (where.streams is None or outcome.stream in where.streams)
        and where.correlation_id in (None, outcome.correlation_id)
        and where.actor in (None, outcome.actor)
    )


async def test_commands_are_numbered_without_gaps_in_the_order_of_their_ends(ended: list[Outcome]) -> None:
    assert [outcome.number for outcome in ended] == list(range(1, 61))
    assert [o.decided_at for o in ended] == sorted(o.decided_at for o in ended)
    assert [o.position for o in ended] == sorted(o.position for o in ended)


@examples(40)
@given(filters, st.integers(1, 20))
async def test_the_list_holds_by_pages_what_its_filter_matches_the_newest_first(
    database: Database, ended: list[Outcome], where: CommandFilter, size: int
) -> None:
    expected = [outcome for outcome in reversed(ended) if matches(where, outcome)]
    found: list[Outcome] = []
    while page := await list_commands(database, found[-1].number if found else None, size, where):
        assert len(page) <= size
        found += page
        assert len(found) <= len(expected)
    assert found == expected


async def test_failed_commands_are_dead_letters_until_something_is_done_with_them_once(
    database: Database, ended: list[Outcome]
) -> None:
    failed = [outcome for outcome in ended if outcome.status == "FAILED"]
    assert await list_dead_letters(database, 100) == failed
    assert await list_dead_letters(database, 2) == failed[:2]
    first, second, *others = (outcome.command_id for outcome in failed)
    again = uuid4()
    assert await dead_letter_action(database, first) is None
    async with database.connection() as connection:
        assert await record_dead_letter_action(connection, first, "RETRIED", again, "ada")
        assert await record_dead_letter_action(connection, second, "DROPPED", None, None)
        assert not await record_dead_letter_action(connection, first, "DROPPED", None, "bob")
    done = await dead_letter_action(database, first)
    assert done is not None
    assert (done.action, done.retried_as, done.actor) == ("RETRIED", again, "ada")
    assert [outcome.command_id for outcome in await list_dead_letters(database, 100)] == others


async def test_the_version_of_a_stream_is_that_of_its_newest_event(database: Database) -> None:
    async with database.connection() as connection:
        await append(connection, [decision("account-1", 0, 3), decision("account-12", 0, 5)], None)
    assert await stream_version(database, "account-1") == 3
    assert await stream_version(database, "account-2") == 0


async def test_attempts_are_counted_until_they_are_forgotten(database: Database) -> None:
    one, other, third = uuid4(), uuid4(), uuid4()
    async with database.connection() as connection:
        await replace_attempts(connection, (), [one, other])
        await replace_attempts(connection, (), [one])
        assert await attempts_at(connection, [one, other, third]) == {one: 2, other: 1}
        await replace_attempts(connection, [one, other, uuid4()], [other, third])
        assert await attempts_at(connection, [one, other, third]) == {other: 2, third: 1}
        run = Run(survived={third})
        await forget_survived(connection, run)
        assert await attempts_at(connection, [one, other, third]) == {other: 2}
        assert not run.survived


async def test_partitions_that_were_not_released_are_told_to_the_next_owner(database: Database) -> None:
    await settle_partitions(database, 6)
    one, other, third = Run(), Run(), Run()
    async with database.connection() as connection:
        assert await begin_running(connection, [0, 1, 2], one) == []
        assert await begin_running(connection, [3], other) == []
        await end_running(connection, [1], one)
        await connection.execute(
            "update partitions set running = true where partition = 4"
        )  # the version before
        assert sorted(await begin_running(connection, range(6), third)) == [[0, 2], [3], [4]]

        assert await begin_running(connection, [0, 1, 2, 5], third) == [[0, 2]], (
            "until all suspects are decided"
        )
        await end_running(connection, [0, 2], third)
        assert await begin_running(connection, [0, 2], third) == [[0, 2]], "it ends its own marks alone"
        await mark_running(connection, [0, 2], third)
        assert await begin_running(connection, range(6), third) == [[3], [4]]


async def test_a_run_does_not_take_its_own_mark_for_a_crash(database: Database) -> None:
    await settle_partitions(database, 2)
    run = Run()
    async with database.connection() as connection:
        assert await begin_running(connection, [0, 1], run) == []
        assert await begin_running(connection, [0, 1], run) == []
        assert await begin_running(connection, [0, 1], Run()) == [[0, 1]]


shop = Domain("shop")


@shop.event
@dataclass(frozen=True)
class Stocked:
    item_id: UUID


@shop.aggregate(key="item_id")
@dataclass(frozen=True)
class Item:
    price: Decimal = Decimal("0.00")
    tags: tuple[str, ...] = ()
    odd: object = None

    def stocked(self, event: Stocked) -> Item:
        return self


@pytest.mark.parametrize("state", [Item(), Item(Decimal("1.50"), ("a\x1f", "")), Item(odd=[1, {"a": None}])])
async def test_a_snapshot_gives_back_the_state_it_was_taken_of(database: Database, state: Item) -> None:
    aggregate = shop.aggregates["item"]
    taken = snapshot_of(aggregate, "01234567", "item-1", 7, state)
    assert taken is not None
    async with database.connection() as connection:
        await append(connection, [decision("item-1", 0, 8)], None)
        await save_snapshots(connection, [taken, taken._replace(stream="item-2")])
        await save_snapshots(connection, [taken._replace(version=8)])
        (found,) = await stored_snapshots(connection, ["item-1", "item-3"])
    assert found == taken._replace(version=8)
    assert state_from(aggregate, "01234567", found) == state


def _type(value: object) -> str:
    return type(value).__name__


@pytest.mark.parametrize("odd", [(1, 2), {1: 2}, {"a"}, object(), float("nan"), Decimal(1)], ids=_type)
def test_a_state_that_json_would_not_give_back_is_not_taken(odd: object) -> None:
    assert snapshot_of(shop.aggregates["item"], "01234567", "item-1", 7, Item(odd=odd)) is None


@pytest.mark.parametrize(
    "snapshot",
    [Snapshot("item-1", 7, "76543210", "{}"), Snapshot("item-1", 7, "01234567", '{"price": "much"}')],
)
def test_a_snapshot_of_other_code_or_that_does_not_fit_counts_for_nothing(snapshot: Snapshot) -> None:
    assert state_from(shop.aggregates["item"], "01234567", snapshot) is None
