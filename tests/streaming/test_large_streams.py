"""Large streams and large states are loaded in small pages, and each whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import asyncpg
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commander import Domain
from commander.domain.digests import stored_digest
from commander.eventstore.batches import BATCH_BYTES
from commander.eventstore.log.event_log import append, read_stream
from commander.eventstore.records import Decision, NewEvent, Status
from commander.streaming.commands.aggregate_cache import AggregateCache
from commander.streaming.commands.long_loads import LongLoads
from tests.drawing import examples
from tests.streaming.conftest import Bank, submitted

shelves = Domain("shelves")
SIZE = 600_000
MOST = BATCH_BYTES + SIZE + 1000
"""The bytes of a page: it ends with the row that reaches BATCH_BYTES."""


@shelves.event
@dataclass(frozen=True)
class Put:
    shelf: str
    text: str


@shelves.command
@dataclass(frozen=True)
class Place:
    shelf: str


@shelves.aggregate(key="shelf")
@dataclass(frozen=True)
class Shelf:
    texts: int = 0
    last: str = ""

    def place(self, command: Place) -> Put:
        return Put(command.shelf, "")

    def was_put(self, event: Put) -> Shelf:
        return replace(self, texts=self.texts + 1, last=event.text)


def putting(shelf: str, texts: list[str], version: int = 0) -> Decision:
    command = submitted(Place(shelf), shelves)
    encode = shelves.events["Put"].encode
    made = tuple(NewEvent("Put", 1, encode(Put(shelf, text)).decode()) for text in texts)
    digest = stored_digest(command.type, bytes(msgspec.Raw(command.data)))
    return Decision(command, digest, Status.APPLIED, version + len(made), made)


async def filled(servers: Bank, shelves_of: dict[str, list[str]]) -> list[str]:
    async with servers.database.connection() as connection:
        await append(connection, [putting(shelf, texts) for shelf, texts in shelves_of.items()], None)
    return [f"shelf-{shelf}" for shelf in shelves_of]


def size_of(row: asyncpg.Record) -> int:
    return len(row["data"] or "") + len(dict(row).get("snapshot_state") or "")


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The bytes of each page of events that is read."""
    found: list[int] = []
    fetch = asyncpg.connection.Connection.fetch

    async def counted(self: asyncpg.Connection, query: str, *binds: object, **more: Any) -> object:
        rows = await fetch(self, query, *binds, **more)
        if rows and "causation_position" in dict(rows[0]):
            found.append(sum(map(size_of, rows)))
        return rows

    monkeypatch.setattr(asyncpg.connection.Connection, "fetch", counted)
    yield found


async def loaded(servers: Bank, streams: list[str]) -> AggregateCache:
    states = AggregateCache(shelves, capacity=100, snapshot_every=1000)
    async with servers.database.connection() as connection:
        await states.load(connection, streams)
    return states


async def test_many_large_streams_are_loaded_in_pages_of_a_few_megabytes(
    servers: Bank, pages: list[int]
) -> None:
    texts = ["x" * SIZE, "y" * SIZE, "z"]
    streams = await filled(servers, {f"s{n}": texts for n in range(10)})
    states = await loaded(servers, [*streams, "shelf-empty"])
    assert [states[stream].state for stream in streams] == [Shelf(3, "z")] * 10
    assert states["shelf-empty"].version == 0
    assert sum(pages) >= 20 * SIZE
    assert max(pages) <= MOST
    assert len(pages) <= 6, "each but the last has some four megabytes"


async def test_large_snapshots_are_loaded_in_pages_of_a_few_megabytes(
    servers: Bank, pages: list[int]
) -> None:
    streams = await filled(servers, {f"s{n}": ["x" * SIZE] for n in range(20)})
    states = await loaded(servers, streams)
    snapshots = [states.snapshot(stream, states[stream]) for stream in streams]
    rows = [
        [getattr(one, name) for one in snapshots] for name in ("stream", "version", "fingerprint", "state")
    ]
    await servers.database.fetch(
        """insert into snapshots (stream, version, fingerprint, state)
           select * from unnest($1::text[], $2::bigint[], $3::text[], $4::json[])""",
        *rows,
    )
    pages.clear()
    again = await loaded(servers, streams)
    assert dict(again) == dict(states)
    assert sum(pages) >= 20 * SIZE
    assert max(pages) <= MOST


async def test_a_long_stream_of_large_events_is_loaded_in_pages_of_a_few_megabytes(
    servers: Bank, pages: list[int]
) -> None:
    [stream] = await filled(servers, {"s": ["x" * SIZE] * 20})
    states = AggregateCache(shelves, capacity=100, snapshot_every=1000)
    loads = LongLoads(servers.database, states, long=5)
    async with servers.database.connection() as connection:
        await loads.load(connection, [stream])
    assert bool(loads), "it is long, and loaded beside others"
    await loads.until_ready(20)
    loads.release()
    assert states[stream].state.texts == 20
    assert max(pages) <= MOST
    found, version = 0, 0
    while events := await read_stream(servers.database, stream, version):
        assert sum(len(event.data) for event in events) <= MOST
        found, version = found + len(events), events[-1].version
    assert found == 20


@examples(60)
@given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.lists(st.integers(0, 60), max_size=8), min_size=1),
    st.integers(1, 300),
    st.sampled_from([1, 2, 3, 500]),
    st.sets(st.sampled_from("abcdefgh")),
)
async def test_whatever_ends_the_pages_each_state_is_that_of_its_whole_stream(
    servers: Bank, sizes: dict[str, list[int]], most: int, page: int, broken: set[str]
) -> None:
    """broken: streams whose snapshot cannot be decoded; every other stream of two events has one that can."""
    await servers.database.fetch("truncate snapshots")
    key = iter(range(10**6))
    names = {
        shelf: f"{shelf}{await servers.database.fetchval('select position from log_head')}x{next(key)}"
        for shelf in sizes
    }
    made = {names[shelf]: ["x" * size for size in of] for shelf, of in sizes.items() if of}
    if made:
        await filled(servers, made)
    fingerprint = shelves.fingerprint_of(next(iter(shelves.aggregates.values())))
    for shelf, of in sizes.items():
        if len(of) > 1 and (shelf in broken or len(of) == 2):
            state = "[]" if shelf in broken else msgspec.json.encode(Shelf(1, "x" * of[0])).decode()
            await servers.database.fetch(
                "insert into snapshots (stream, version, fingerprint, state) values ($1, 1, $2, $3)",
                f"shelf-{names[shelf]}",
                fingerprint,
                state,
            )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("commander.eventstore.log.event_log.BATCH_BYTES", most)
        patch.setattr("commander.eventstore.log.snapshots.BATCH_BYTES", most)
        patch.setattr("commander.streaming.commands.aggregate_cache.PAGE", page)
        patch.setattr("commander.eventstore.log.event_log.read_streams.__defaults__", (page,))
        states = await loaded(servers, [f"shelf-{names[shelf]}" for shelf in sizes])
    found = {shelf: states[f"shelf-{names[shelf]}"] for shelf in sizes}
    assert {shelf: (one.version, one.state) for shelf, one in found.items()} == {
        shelf: (len(of), Shelf(len(of), "x" * of[-1] if of else "")) for shelf, of in sizes.items()
    }
