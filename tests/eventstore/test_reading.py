"""Reading events: streams page by page, and ranges of the log with every filter."""

from __future__ import annotations

from collections import defaultdict
from typing import Any
from uuid import UUID, uuid4

import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from commander.eventstore.database import Database
from commander.eventstore.log.event_log import append, head_position, read_stream, read_streams
from commander.eventstore.log.ranges import read_log
from commander.eventstore.records import EventFilter, RecordedEvent
from tests.drawing import examples
from tests.eventstore.decisions import decision, refusal

STREAMS = ["account-1", "account-1-2", "account", "accountant-1", "transfer-ü", "a-%"]
TYPES = ["Opened", "Closed", "opened"]
CORRELATIONS = [UUID(int=1), UUID(int=2)]


@pytest_asyncio.fixture
async def log(database: Database) -> list[RecordedEvent]:
    """Some 140 events of all these streams, types and correlations, interleaved."""
    versions: dict[str, int] = defaultdict(int)
    made = []
    for n in range(60):
        stream = STREAMS[(n + n // 7) % len(STREAMS)]
        count = n % 4 + 1
        correlation = CORRELATIONS[n % 3 % 2]
        made.append(decision(stream, versions[stream], count, TYPES[n % 3], correlation_id=correlation))
        versions[stream] += count
        if n % 10 == 0:
            made.append(refusal(stream, versions[stream], reactor="clerk", correlation_id=correlation))
    async with database.connection() as connection:
        return list((await append(connection, made, None)).events)


settled = examples(20)


def some_of(names: list[str]) -> st.SearchStrategy[frozenset[str] | None]:
    return st.none() | st.frozensets(st.sampled_from(names), max_size=3)


filters = st.fixed_dictionaries(
    {
        "types": some_of([*TYPES, "ReactionRejected", "Gone"]),
        "streams": some_of([*STREAMS, "account-3"]),
        "aggregates": some_of(["account", "accountant", "transfer", "reaction", "a", "gone"]),
        "correlation_id": st.none() | st.sampled_from([*CORRELATIONS, UUID(int=3)]),
    }
)


@settled
@given(filters, st.integers(0, 160), st.integers(0, 160), st.integers(1, 160))
async def test_a_stretch_of_the_log_holds_what_its_filter_matches_and_no_other(
    database: Database, log: list[RecordedEvent], parts: dict[str, Any], after: int, length: int, limit: int
) -> None:
    """SQL and EventFilter.matches agree: so do what a subscriber catches up with and what comes live."""
    where = EventFilter(**parts)
    expected = [e for e in log if after < e.position <= after + length and where.matches(e)]
    assert await read_log(database, after, after + length, limit, where) == expected[:limit]


async def test_each_part_of_a_filter_filters_alone(database: Database, log: list[RecordedEvent]) -> None:
    head = await head_position(database)
    event = next(e for e in log[70:] if e.stream == "account-1-2")
    parts: dict[str, tuple[Any, Any]] = {
        "types": (frozenset({event.type}), lambda e: e.type == event.type),
        "streams": (frozenset({event.stream}), lambda e: e.stream == event.stream),
        "aggregates": (frozenset({event.aggregate}), lambda e: e.aggregate == event.aggregate),
        "correlation_id": (event.correlation_id, lambda e: e.correlation_id == event.correlation_id),
        "command_id": (event.command_id, lambda e: e.command_id == event.command_id),
    }
    for name, (value, matches) in parts.items():
        found = await read_log(database, 0, head, 1000, EventFilter(**{name: value}))
        assert found == [e for e in log if matches(e)], name
        assert 0 < len(found) < len(log), name
    nothing: frozenset[str] = frozenset()
    for where in (EventFilter(types=nothing), EventFilter(streams=nothing), EventFilter(aggregates=nothing)):
        assert await read_log(database, 0, head, 1000, where) == []


async def test_without_a_filter_all_is_read_and_the_bounds_are_after_and_up_to(
    database: Database, log: list[RecordedEvent]
) -> None:
    assert await read_log(database, 0, len(log), 1000) == log
    assert [e.position for e in await read_log(database, 3, 6)] == [4, 5, 6]
    assert await read_log(database, len(log), len(log) + 10) == []
    assert await head_position(database) == len(log)


async def test_an_empty_log_stands_at_0(database: Database) -> None:
    assert await head_position(database) == 0
    assert await read_log(database, 0, 10) == []


@settled
@given(
    st.dictionaries(st.sampled_from([*STREAMS, "account-3"]), st.integers(0, 30)),
    st.sampled_from([1, 2, 3, 7, 500]),
)
async def test_a_page_of_many_streams_is_read_at_once_each_from_its_version(
    database: Database, log: list[RecordedEvent], after: dict[str, int], page: int
) -> None:
    async with database.connection() as connection:
        found, cut = await read_streams(connection, after, page)
    assert cut is None
    for stream, version in after.items():
        expected = [e for e in log if e.stream == stream and e.version > version][:page]
        assert [e for e in found if e.stream == stream] == expected
    assert {e.stream for e in found} <= set(after)
    assert len(found) == len({e.position for e in found})


async def test_one_stream_is_read_by_pages(database: Database) -> None:
    async with database.connection() as connection:
        await append(connection, [decision("account-1", 0, 3), decision("account-2", 0, 3)], None)
    assert [e.version for e in await read_stream(database, "account-1", 0, 2)] == [1, 2]
    assert [e.version for e in await read_stream(database, "account-1", 2, 2)] == [3]
    assert await read_stream(database, "account-1", 3) == []
    assert await read_stream(database, f"account-{uuid4()}") == []
