"""A row as of any point is what replaying the whole log to that point gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commander import Domain
from commander.domain.errors import ProjectionFailed, UndecodableEvent
from commander.domain.time_travel import aggregate_behind, stream_of_row
from commander.eventstore.database import Database
from commander.eventstore.log.event_log import append, read_stream
from commander.eventstore.log.ranges import read_log
from commander.eventstore.projections import versions
from commander.eventstore.projections.folding import ensure_tables, fold, row_by_key
from commander.eventstore.projections.tables import Table
from commander.eventstore.projections.versions import RowStream, RowVersion, RowVersions
from commander.eventstore.records import Decision, NewEvent, RecordedEvent, Status
from tests.databases import EMPTY
from tests.drawing import examples
from tests.eventstore.decisions import command, digest_of

shop = Domain("shop")


@shop.command
@dataclass(frozen=True)
class Stock:
    item_id: str


@shop.command
@dataclass(frozen=True)
class Order:
    order_id: str


@shop.event
@dataclass(frozen=True)
class Stocked:
    item_id: str
    amount: Decimal
    at: datetime


@shop.event
@dataclass(frozen=True)
class Renamed:
    item_id: str
    name: str


@shop.event
@dataclass(frozen=True)
class Discarded:
    item_id: str


@shop.event
@dataclass(frozen=True)
class Counted:
    """No projection handles it; it is a version of its stream all the same."""

    item_id: str


@shop.event
@dataclass(frozen=True)
class Ordered:
    order_id: str


@shop.aggregate(key="item_id")
@dataclass(frozen=True)
class Item:
    def stock(self, command: Stock) -> None: ...
    def stocked(self, event: Stocked) -> Item:
        return self

    def renamed(self, event: Renamed) -> Item:
        return self

    def discarded(self, event: Discarded) -> Item:
        return self

    def counted(self, event: Counted) -> Item:
        return self


@shop.aggregate(key="order_id")
@dataclass(frozen=True)
class OrderState:
    def order(self, command: Order) -> None: ...
    def ordered(self, event: Ordered) -> OrderState:
        return self


@shop.projection("item", key="item_id")
@dataclass(frozen=True)
class ItemRow:
    item_id: str
    total: Decimal
    names: tuple[str, ...] = ()
    stocked_at: datetime | None = None

    @classmethod
    def stocked(cls, event: Stocked, row: ItemRow | None) -> ItemRow:
        before = row or cls(event.item_id, Decimal(0))
        return replace(before, total=before.total + event.amount, stocked_at=event.at)

    def renamed(self, event: Renamed) -> ItemRow:
        if event.name == "ruin":
            raise RuntimeError("no such name")
        return replace(self, names=(*self.names, event.name))

    def discarded(self, event: Discarded) -> ItemRow | None:
        return None


TABLE = Table(shop.projections["item"])
KEYS = ["pen", "ü-1", "-"]

moments = st.datetimes(
    datetime(2000, 1, 1), datetime(2030, 1, 1), timezones=st.sampled_from([UTC, timezone(timedelta(hours=5))])
)
amounts = st.decimals("-1e9", "1e9", places=2) | st.sampled_from([Decimal("1E+3"), Decimal("0.10")])
keys = st.sampled_from(KEYS)
happened = st.one_of(
    st.builds(Stocked, keys, amounts, moments),
    st.builds(Stocked, keys, amounts, moments),
    st.builds(Renamed, keys, st.text("abü", max_size=3)),
    st.builds(Discarded, keys),
    st.builds(Counted, keys),
    st.builds(Ordered, keys),
)


def possible(events: list[Any]) -> list[Any]:
    """Without what changes a row that is not there."""
    there: set[str] = set()
    kept = []
    for event in events:
        if isinstance(event, Renamed | Discarded) and event.item_id not in there:
            continue
        if isinstance(event, Stocked):
            there.add(event.item_id)
        elif isinstance(event, Discarded):
            there.remove(event.item_id)
        kept.append(event)
    return kept


def source(key: str) -> RowStream:
    aggregate = aggregate_behind(shop, TABLE.projection)
    assert aggregate is not None
    return RowStream(TABLE, key, stream_of_row(aggregate, key))


async def store(database: Database, events: list[Any], sizes: Iterator[int]) -> list[RecordedEvent]:
    """Appends these events, in transactions of these sizes, each with a command of its own."""
    reached: dict[str, int] = {}
    decisions = []
    for event in events:
        type_ = shop.type_of(event)
        stream = f"orderState-{event.order_id}" if isinstance(event, Ordered) else f"item-{event.item_id}"
        reached[stream] = reached.get(stream, 0) + 1
        sent = command(stream)
        made = (NewEvent(type_.name, 1, type_.encode(event).decode()),)
        decisions.append(Decision(sent, digest_of(sent), Status.APPLIED, reached[stream], made))
    async with database.connection() as connection:
        while decisions:
            size = next(sizes)
            await append(connection, decisions[:size], None)
            decisions = decisions[size:]
    return await read_log(database, 0, len(events), 10_000)


async def replayed(database: Database, log: list[RecordedEvent]) -> list[dict[str, Any]]:
    """The rows by key after each position, from the one before the first on: of the table itself."""
    await ensure_tables(database, [TABLE])
    found: list[dict[str, Any]] = [dict.fromkeys(KEYS)]
    async with database.connection() as connection:
        for event in log:
            await fold(connection, shop, TABLE, [event], event.position)
            found.append({key: await row_by_key(database, TABLE, key) for key in KEYS})
    return found


@examples(40)
@given(st.lists(happened, max_size=30).map(possible), st.integers(1, 4), st.data())
async def test_a_row_as_of_any_point_is_what_the_log_gives_when_it_is_replayed_to_there(
    database: Database, monkeypatch: pytest.MonkeyPatch, events: list[Any], size: int, data: Any
) -> None:
    monkeypatch.setattr(versions, "_PAGE", 3)  # so that streams are long
    monkeypatch.setattr(versions, "_ROWS_OF_A_STREAM", 2)
    await database.fetch(EMPTY)
    log = await store(database, events, iter(lambda: size, None))
    expected = await replayed(database, log)
    asked = RowVersions(shop, database, streams=2)

    points = [(position, key) for position in range(len(log) + 1) for key in KEYS]
    for position, key in data.draw(st.permutations(points)):
        then = expected[position][key]
        by_position = row_of(await asked.at(source(key), lambda event, p=position: event.position <= p))  # type: ignore[misc]
        assert told(by_position) == told(then)
        if position and log[position - 1].stream == f"item-{key}":
            version = log[position - 1].version
            by_version = row_of(await asked.at(source(key), lambda event, v=version: event.version <= v))  # type: ignore[misc]
            assert told(by_version) == told(then)
    for time in {event.recorded_at for event in log}:
        last = max(event.position for event in log if event.recorded_at <= time)
        for key in KEYS:
            row = row_of(await asked.at(source(key), lambda event, t=time: event.recorded_at <= t))  # type: ignore[misc]
            assert told(row) == told(expected[last][key])
    for key in KEYS:
        stream = [event for event in log if event.stream == f"item-{key}"]
        after = data.draw(st.integers(0, len(stream)))
        limit = data.draw(st.integers(0, len(stream) + 1))
        page = await asked.page(source(key), after, limit)
        assert [version.event for version in page] == stream[after : after + limit]
        rows = [expected[event.position][key] for event in stream[after : after + limit]]
        assert [told(version.row) for version in page] == [told(row) for row in rows]


def row_of(version: RowVersion | None) -> Any:
    return None if version is None else version.row


def told(row: Any) -> str:
    """A row to the last digit and time zone, in which equal values may differ."""
    return repr(row)


async def test_only_the_row_s_own_stream_is_read_and_from_the_last_page_remembered(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "_PAGE", 10)
    stocked = [Stocked(KEYS[n % 2], Decimal(1), datetime(2020, 1, 1, tzinfo=UTC)) for n in range(190)]
    await store(database, stocked, iter(lambda: 500, None))
    read: list[tuple[str, int]] = []

    async def counted(database: Database, stream: str, after: int, limit: int) -> list[RecordedEvent]:
        read.append((stream, after))
        return await read_stream(database, stream, after, limit)

    monkeypatch.setattr(versions, "read_stream", counted)
    asked = RowVersions(shop, database)
    row: Any = row_of(await asked.at(source("pen"), lambda event: event.version <= 57))
    assert row.total == 57
    assert read == [("item-pen", after) for after in (0, 10, 20, 30, 40, 50)]
    for version, begin in ((58, 50), (49, 40), (3, 0), (50, 50)):
        read.clear()
        row = row_of(await asked.at(source("pen"), lambda event, v=version: event.version <= v))  # type: ignore[misc]
        assert (row.total, read) == (version, [("item-pen", begin)])
    read.clear()
    page = await asked.page(source("pen"), 52, 4)
    assert ([v.event.version for v in page], read) == ([53, 54, 55, 56], [("item-pen", 50)])


async def test_an_event_that_cannot_be_folded_is_named_and_the_time_before_it_can_be_asked(
    database: Database,
) -> None:
    moment = datetime(2020, 1, 1, tzinfo=UTC)
    await store(database, [Stocked("pen", Decimal(1), moment), Renamed("pen", "ruin")], iter(lambda: 1, None))
    asked = RowVersions(shop, database)
    before = row_of(await asked.at(source("pen"), lambda event: event.version <= 1))
    assert before == ItemRow("pen", Decimal(1), (), moment)
    with pytest.raises(ProjectionFailed, match="position 2: RuntimeError: no such name"):
        await asked.at(source("pen"), lambda event: event.version <= 2)
    with pytest.raises(ProjectionFailed, match="position 2"):
        await asked.page(source("pen"), 0, 2)
    assert len(await asked.page(source("pen"), 0, 1)) == 1


async def test_an_event_of_another_key_in_the_stream_is_told(database: Database) -> None:
    sent = command("item-pen")
    foreign = shop.events["Discarded"].encode(Discarded("ink")).decode()
    made = Decision(sent, digest_of(sent), Status.APPLIED, 1, (NewEvent("Discarded", 1, foreign),))
    async with database.connection() as connection:
        await append(connection, [made], None)
    with pytest.raises(ProjectionFailed, match="its item_id is that of another row"):
        await RowVersions(shop, database).at(source("pen"), lambda event: True)


async def test_an_event_that_cannot_be_read_is_told_with_its_position(database: Database) -> None:
    sent = command("item-pen")
    made = Decision(sent, digest_of(sent), Status.APPLIED, 1, (NewEvent("Discarded", 1, "{}"),))
    async with database.connection() as connection:
        await append(connection, [made], None)
    with pytest.raises(UndecodableEvent, match="position 1"):
        await RowVersions(shop, database).at(source("pen"), lambda event: True)


async def test_a_row_that_its_table_could_not_hold_is_told_with_the_event_that_made_it(
    database: Database,
) -> None:
    moment = datetime(2020, 1, 1, tzinfo=UTC)
    large = Stocked("pen", Decimal("1E+200000"), moment)
    await store(database, [Stocked("pen", Decimal(1), moment), large], iter(lambda: 1, None))
    asked = RowVersions(shop, database)
    with pytest.raises(ProjectionFailed, match=r"position 2: .* too large for Postgres"):
        await asked.page(source("pen"), 0, 2)
    row: Any = row_of(await asked.at(source("pen"), lambda event: event.version <= 1))
    assert row.total == 1
