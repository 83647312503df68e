"""Limits that an operator sets on the database: sessions wait as long as they must, and long work is done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
import pytest_asyncio

from commander import Domain
from commander.domain.errors import Unavailable
from commander.eventstore.audit.events import EVENTS
from commander.eventstore.audit.findings import Check, begun
from commander.eventstore.audit.tables import tables_checks
from commander.eventstore.database import Database
from commander.eventstore.locks import Lock, held_keys, sole_holder
from commander.eventstore.migrate import migrate
from commander.eventstore.projections.folding import ensure_tables
from commander.eventstore.projections.serving import make_indexes, vacuum
from commander.eventstore.projections.tables import Table
from commander.eventstore.watching import watch_postgres
from tests.databases import EMPTYING
from tests.eventstore.test_database import name_of

LIMIT_SECONDS = 0.2
shop = Domain("shop")


@shop.event
@dataclass(frozen=True)
class Sold:
    item_id: int


@shop.projection("item", key="item_id", indexes=("count",))
@dataclass(frozen=True)
class Item:
    item_id: int
    count: int = 0

    @classmethod
    def sold(cls, event: Sold) -> Item:
        return cls(event.item_id)


TABLE = Table(shop.projections["item"])


@asynccontextmanager
async def limited(database: Database, admin: Database, *names: str) -> AsyncIterator[None]:
    """The database has these limits for each new session."""
    milliseconds = int(LIMIT_SECONDS * 1000)
    for name in names:
        await admin.fetch(f'alter database "{name_of(database)}" set {name} = {milliseconds}')
    yield
    await admin.fetch(f'alter database "{name_of(database)}" reset all')


async def until_longer_than_the_limit(admin: Database, database: Database, state: str, many: int) -> None:
    """Returns when so many sessions of this database have been in a state for longer than the limit."""
    sql = """select count(*) from pg_stat_activity
             where datname = $1 and state = $2 and application_name <> $4
               and clock_timestamp() - state_change > $3 * interval '2 seconds'"""
    async with asyncio.timeout(10):
        while await admin.fetchval(sql, name_of(database), state, LIMIT_SECONDS, EMPTYING) < many:
            await asyncio.sleep(0.02)


async def test_no_session_is_ended_for_being_idle(database: Database, postgres_admin: Database) -> None:
    async with limited(database, postgres_admin, "idle_session_timeout"):
        watching = asyncio.create_task(watch_postgres(database))
        async with sole_holder(database, Lock.RELAY, 7, "test") as holder:
            pid = await database.fetchval("select pg_backend_pid()")
            await until_longer_than_the_limit(postgres_admin, database, "idle", 2)
            assert await database.fetchval("select pg_backend_pid()") == pid
            assert await held_keys(database, Lock.RELAY) == {7}
            assert await holder.fetchval("select 1") == 1
            database.must_be_up()
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching


async def indexes(database: Database) -> Any:
    async with database.connection() as connection:
        return await make_indexes(connection, TABLE)


async def vacuumed(database: Database) -> Any:
    async with database.connection() as connection:
        await vacuum(connection, TABLE)
        assert await connection.fetchval("show statement_timeout") == f"{int(LIMIT_SECONDS * 1000)}ms"


def audited(check: Check) -> Callable[[Database], Awaitable[Any]]:
    async def run(database: Database) -> None:
        audit = replace(await begun(shop, database), position=1)  # so that it reads
        found = [one async for one in check.run(audit, lambda done, all_: None)]
        assert len(found) <= 1

    return run


@pytest_asyncio.fixture
async def with_table(database: Database) -> Database:
    await ensure_tables(database, [TABLE])
    for index in await database.fetch(
        "select indexname from pg_indexes where indexname ~ '^projection_item.*count'"
    ):
        await database.fetch(f'drop index "{index[0]}"')
    return database


LONG: dict[str, tuple[str, Callable[[Database], Awaitable[Any]]]] = {
    "migrations": (f"select pg_advisory_lock({int(Lock.MIGRATIONS)}, 0)", migrate),
    "an audit of the log": ("lock table events in access exclusive mode", audited(EVENTS)),
    "an audit of a projection": (
        f'lock table "{TABLE.name}" in access exclusive mode',
        audited(tables_checks(shop)[0]),
    ),
    "indexes": (f'lock table "{TABLE.name}" in access exclusive mode', indexes),
    "a vacuum": (f'lock table "{TABLE.name}" in access exclusive mode', vacuumed),
}


@pytest.mark.parametrize("work", LONG)
async def test_work_that_takes_long_is_done_whatever_the_limit_of_a_statement(
    with_table: Database, postgres_admin: Database, work: str
) -> None:
    blocking, doing = LONG[work]
    database = with_table
    blocker = await database.connect("blocker")
    async with limited(database, postgres_admin, "statement_timeout", "idle_in_transaction_session_timeout"):
        limited_database = Database(database.url)
        async with blocker.transaction():
            await blocker.execute(blocking)
            done = asyncio.ensure_future(doing(limited_database))
            while not done.done():
                try:
                    async with asyncio.timeout(0.1):
                        await until_longer_than_the_limit(postgres_admin, database, "active", 1)
                    break
                except TimeoutError:
                    continue
        await blocker.close()
        await done
        await limited_database.close()


async def test_other_statements_keep_the_limit(database: Database, postgres_admin: Database) -> None:
    async with limited(database, postgres_admin, "statement_timeout"):
        with pytest.raises(Unavailable, match="statement timeout"):
            await database.fetchval("select pg_sleep(10)")
