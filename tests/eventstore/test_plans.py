"""Statements with optional parts read few rows for selective binds, whatever binds they were given before."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from commander import Domain
from commander.domain.filters import Condition, Operator, Order
from commander.eventstore.database import Database
from commander.eventstore.log.command_history import CommandFilter, list_commands
from commander.eventstore.log.ranges import read_log
from commander.eventstore.projections.folding import ensure_tables
from commander.eventstore.projections.log_ranges import read_range
from commander.eventstore.projections.queries import count_rows, rows_from
from commander.eventstore.projections.tables import Table
from commander.eventstore.records import EventFilter, Status
from tests.databases import Databases

MANY = 100_000
USES = 6
"""After five uses with custom plans, Postgres compares their mean cost with that of a generic plan."""

shop = Domain("shop")


@shop.event
@dataclass(frozen=True)
class Sold:
    item_id: int


@shop.projection("item", key="item_id", indexes=("owner",))
@dataclass(frozen=True)
class Item:
    item_id: int
    owner: str = ""

    @classmethod
    def sold(cls, event: Sold) -> Item:
        return cls(event.item_id)


TABLE = Table(shop.projections["item"])
OWNER = next(field for field in TABLE.projection.fields if field.name == "owner")
BY_KEY = Order(TABLE.projection.orders[0])

_FILL = f"""
alter table events disable trigger all;
insert into events (position, stream, version, type, schema_version, data, command_id, correlation_id,
                    recorded_at)
select n, 'account-' || n / 20, n % 20 + 1, 'Moved', 1, '{{}}', gen_random_uuid(), gen_random_uuid(), now()
from generate_series(1, {MANY}) as n;
insert into commands (command_id, type, stream, data, digest, status, position, event_count, version,
                      correlation_id, submitted_at, decided_at, number)
select gen_random_uuid(), 'Move', 'account-' || n / 20, '{{}}', '',
       case n % 10000 when 0 then 'FAILED' else 'APPLIED' end, n, 1, n % 20 + 1,
       gen_random_uuid(), now(), now(), n
from generate_series(1, {MANY}) as n;
update commands set guards = '{{"sender": {{"subject": "ada"}}}}' where number in (1, {MANY});
insert into "{TABLE.name}" (item_id, owner)
select n, case when n % 2 = 0 then 'frequent' when n > {MANY} - 10 then 'rare' else 'common' end
from generate_series(1, {MANY}) as n;
"""
_NO_STATISTICS = """
select pg_clear_relation_stats(schemaname, tablename),
       pg_clear_attribute_stats(schemaname, tablename, attname, inherited)
from pg_stats where tablename = 'events'
"""
"""The database may be one that an earlier module has analyzed."""
_ROWS_READ = """select sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::bigint
                from pg_stat_user_tables"""


@pytest_asyncio.fixture(scope="module")
async def large(databases: Databases) -> AsyncIterator[str]:
    """The URL of a database with many events, commands and rows."""
    name = await databases.take()
    database = Database(databases.url(name))
    await ensure_tables(database, [TABLE])
    async with database.connection() as connection:
        await connection.execute(_FILL, timeout=300)
        await connection.execute("analyze")
    yield databases.url(name)
    await database.close()
    databases.give_back(name)


@pytest_asyncio.fixture(scope="module")
async def restored(databases: Databases) -> AsyncIterator[str]:
    """The URL of a database as a restored dump leaves it: with many events, and without statistics."""
    name = await databases.take()
    database = Database(databases.url(name))
    await ensure_tables(database, [TABLE])
    async with database.connection() as connection:
        await connection.execute("alter table events set (autovacuum_enabled = off)")
        await connection.execute(_NO_STATISTICS)
        await connection.execute(_FILL, timeout=300)
        assert not await connection.fetchval("select count(*) from pg_stats where tablename = 'events'")
    yield databases.url(name)
    await database.close()
    databases.give_back(name)


async def rows_read(database: Database) -> int:
    """How many rows the statements of this database have read."""
    async with database.connection() as connection:
        await connection.execute("select pg_stat_force_next_flush()")
        return int(await connection.fetchval(_ROWS_READ))


def owned_by(owner: str) -> Condition:
    return Condition(OWNER, Operator.EQ, owner)


Use = Callable[[Database], Awaitable[Any]]
CASES: dict[str, tuple[Use, Use]] = {
    "the events of one stream": (
        lambda database: read_log(database, 0, MANY, 1000, EventFilter(types=frozenset({"Gone"}))),
        lambda database: read_log(database, 0, MANY, 500, EventFilter(streams=frozenset({"account-77"}))),
    ),
    "the events of a short range": (
        lambda database: read_log(database, 0, MANY, 1000, EventFilter(types=frozenset({"Gone"}))),
        lambda database: read_log(
            database, MANY - 50, MANY, 500, EventFilter(aggregates=frozenset({"account"}))
        ),
    ),
    "failed commands": (
        lambda database: list_commands(database, None, 10, CommandFilter(actor="nobody")),
        lambda database: list_commands(
            database, None, 10, CommandFilter(statuses=frozenset({Status.FAILED}))
        ),
    ),
    "the oldest commands": (
        lambda database: list_commands(database, None, 10, CommandFilter(actor="nobody")),
        lambda database: list_commands(database, 50, 10, CommandFilter(types=frozenset({"Gone"}))),
    ),
    "the commands of one sender": (
        lambda database: list_commands(database, None, 10, CommandFilter(actor="nobody")),
        lambda database: list_commands(database, None, 10, CommandFilter(), subject="ada"),
    ),
    "rows with a rare value": (
        lambda database: rows_from(database, TABLE, owned_by("frequent"), BY_KEY, 5000),
        lambda database: rows_from(database, TABLE, owned_by("rare"), BY_KEY, 5000),
    ),
    "a count of rows with a rare value": (
        lambda database: count_rows(database, TABLE, owned_by("frequent")),
        lambda database: count_rows(database, TABLE, owned_by("rare")),
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_a_statement_does_not_keep_the_plan_of_other_binds(large: str, case: str) -> None:
    costly, selective = CASES[case]
    database = Database(large, max_connections=1)
    for _ in range(USES):
        await costly(database)
    before = await rows_read(database)
    await selective(database)
    assert await rows_read(database) - before <= 200
    await database.close()


async def page_of_a_projection(database: Database) -> Any:
    async with database.connection() as connection:
        return (await read_range(connection, 0, ["Moved"], 500)).events


PAGES: dict[str, Use] = {
    "all events": lambda database: read_log(database, 0, MANY, 500),
    "some types": lambda database: read_log(database, 0, MANY, 500, EventFilter(types=frozenset({"Moved"}))),
    "a projection's types": page_of_a_projection,
}


@pytest.mark.parametrize("case", PAGES)
async def test_a_page_without_statistics_does_not_read_all_that_is_left_of_the_log(
    restored: str, case: str
) -> None:
    database = Database(restored, max_connections=1)
    for _ in range(USES):
        before = await rows_read(database)
        assert len(await PAGES[case](database)) == 500
        assert await rows_read(database) - before <= 20 * 500 + 100, "of 100,000"
    await database.close()


async def test_a_page_is_full_although_its_events_are_rare(restored: str) -> None:
    """A part of the range is read first, and then the rest."""
    database = Database(restored, max_connections=1)
    async with database.connection() as connection:
        await connection.execute(f"update events set type = 'Rare' where position in (7, 40000, {MANY})")
    rare = EventFilter(types=frozenset({"Rare"}))
    assert [e.position for e in await read_log(database, 0, MANY, 10, rare)] == [7, 40000, MANY]
    assert [e.position for e in await read_log(database, 0, MANY - 1, 10, rare)] == [7, 40000]
    assert [e.position for e in await read_log(database, 7, MANY, 1, rare)] == [40000]
    await database.close()
