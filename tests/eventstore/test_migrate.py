"""Migrations: run by whoever comes first, once, and adding up to schema.sql."""

from __future__ import annotations

import asyncio
import re
from importlib.resources import files

import pytest

from commander.eventstore.database import Database
from commander.eventstore.migrate import SchemaTooNew, migrate
from tests.eventstore.conftest import MakeDatabase

MIGRATIONS = files("commander.eventstore").joinpath("migrations")

# Everything in a catalog that a statement of ours could make, as text: kind, name, definition.
CATALOG = """
select 'relation', c.oid::regclass::text,
       concat_ws(' ', c.relkind, c.relpersistence, c.reloptions, c.relrowsecurity, c.relreplident)
from pg_class c where c.relnamespace = 'public'::regnamespace
union all
select 'column', a.attrelid::regclass || '.' || a.attname,
       concat_ws(' ', rank() over (partition by a.attrelid order by a.attnum),
                 format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
                 a.attgenerated, a.attcollation, a.attstorage, pg_get_expr(d.adbin, d.adrelid))
from pg_attribute a
join pg_class c on c.oid = a.attrelid
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where c.relnamespace = 'public'::regnamespace and a.attnum > 0 and not a.attisdropped
union all
select 'constraint', coalesce(nullif(conrelid, 0)::regclass || '.', '') || conname,
       pg_get_constraintdef(oid) || ' ' || convalidated
from pg_constraint where connamespace = 'public'::regnamespace
union all
select 'index', indexrelid::regclass::text, pg_get_indexdef(indexrelid) || ' ' || indisvalid
from pg_index where indrelid in (select oid from pg_class where relnamespace = 'public'::regnamespace)
union all
select 'trigger', tgrelid::regclass || '.' || tgname, pg_get_triggerdef(oid) || ' ' || tgenabled::text
from pg_trigger where not tgisinternal
union all
select 'function', oid::regprocedure::text, pg_get_functiondef(oid)
from pg_proc where pronamespace = 'public'::regnamespace
union all
select 'type', oid::regtype::text, typtype::text
from pg_type where typnamespace = 'public'::regnamespace
union all
select 'extension', extname, extversion from pg_extension
order by 1, 2, 3
"""


async def catalog(database: Database) -> list[tuple[str, ...]]:
    return [tuple(row) for row in await database.fetch(CATALOG)]


async def test_all_migrations_add_up_to_the_schema(empty_database: MakeDatabase) -> None:
    by_hand, migrated = await empty_database(), await empty_database()
    async with by_hand.connection() as connection:
        await connection.execute(files("commander.eventstore").joinpath("schema.sql").read_text())
    await migrate(migrated)
    expected, found = await catalog(by_hand), await catalog(migrated)
    assert set(found) ^ set(expected) == set()
    assert found == expected
    kinds = {kind for kind, *_ in found}
    assert kinds >= {"relation", "column", "constraint", "index", "trigger", "function"}
    for database in (by_hand, migrated):
        assert await database.fetchval("select array_agg(position) from log_head") == [0]


async def test_migrations_run_once(empty_database: MakeDatabase) -> None:
    database = await empty_database()
    await migrate(database)
    before, applied = await catalog(database), await database.fetch("select * from schema_migrations")
    await migrate(database)
    assert await catalog(database) == before
    assert await database.fetch("select * from schema_migrations") == applied


async def test_eight_at_once_on_an_empty_database_migrate_it_once(empty_database: MakeDatabase) -> None:
    database = await empty_database()
    pools = [Database(database.url) for _ in range(8)]
    await asyncio.gather(*(migrate(pool) for pool in pools))
    for pool in pools:
        await pool.close()
    rows = await database.fetch("select version from schema_migrations order by 1")
    assert [row["version"] for row in rows] == sorted(int(file.name[:4]) for file in MIGRATIONS.iterdir())
    assert await database.fetchval("select count(*) from log_head") == 1


async def test_an_older_database_gets_what_it_lacks(empty_database: MakeDatabase) -> None:
    older, newer = await empty_database(), await empty_database()
    await migrate(newer)
    first = MIGRATIONS.joinpath("0001_log.sql").read_text()
    create = """create table schema_migrations (version integer primary key, name text not null,
                                                applied_at timestamptz not null default now())"""
    async with older.connection() as connection:
        await connection.execute(create)
        await connection.execute(first)
        await connection.execute("insert into schema_migrations (version, name) values (1, '0001_log')")
    await migrate(older)
    assert await catalog(older) == await catalog(newer)
    older_name, newer_name = [await d.fetchval("select name from system_identity") for d in (older, newer)]
    assert (older_name, newer_name) == ("", None), "only a new system takes a name"


async def test_a_database_of_newer_code_is_left_alone(empty_database: MakeDatabase) -> None:
    database = await empty_database()
    await migrate(database)
    await database.fetch("insert into schema_migrations (version, name) values (999, 'later')")
    before = await catalog(database)
    with pytest.raises(SchemaTooNew, match="the database has migration 999"):
        await migrate(database)
    assert await catalog(database) == before


async def test_a_migration_that_fails_leaves_nothing_behind(empty_database: MakeDatabase) -> None:
    database = await empty_database()
    await database.fetch("create table partitions (here integer)")
    before = await catalog(database)
    with pytest.raises(Exception, match='relation "partitions" already exists'):
        await migrate(database)
    assert await catalog(database) == before


def test_migrations_are_numbered_without_gaps() -> None:
    names = sorted(file.name for file in MIGRATIONS.iterdir())
    assert [re.fullmatch(r"(\d{4})_[a-z_]+\.sql", name) is not None for name in names] == [True] * len(names)
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))


async def test_the_projection_tables_of_an_older_database_go_on_serving(empty_database: MakeDatabase) -> None:
    database = await empty_database()
    folder = MIGRATIONS
    create = """create table schema_migrations (version integer primary key, name text not null,
                                                applied_at timestamptz not null default now())"""
    async with database.connection() as connection:
        await connection.execute(create)
        for file in sorted(folder.iterdir(), key=lambda file: file.name)[:4]:
            await connection.execute(file.read_text())
            name = file.name.removesuffix(".sql")
            await connection.execute("insert into schema_migrations values ($1, $2)", int(name[:4]), name)
        await connection.execute(
            """insert into projections (name, fingerprint, table_name, position, updated_at)
               values ('account', 'old', 'a_old', 3, '2030-01-01'),
                      ('account', 'new', 'a_new', 7, '2030-01-02'),
                      ('transfer', 'only', 't_only', 7, '2030-01-02')"""
        )
    await migrate(database)
    found = await database.fetch("select table_name, state, serving, position from projections order by 1")
    assert [tuple(row) for row in found] == [
        ("a_new", "BUILT", True, 7),
        ("a_old", "BUILT", False, 3),
        ("t_only", "BUILT", True, 7),
    ]
