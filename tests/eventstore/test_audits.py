"""Audits read the log along its index, also before Postgres has any statistics of it."""

from __future__ import annotations

import pytest

from commander.eventstore.audit import log_pages
from commander.eventstore.audit.events import GROUPED, HASHED
from commander.eventstore.audit.reading import reading
from commander.eventstore.database import Database
from commander.eventstore.sql import statement
from commander.streaming.audit import expected

MANY = 20_000
_FILL = f"""
alter table events disable trigger all;
alter table events set (autovacuum_enabled = off);
insert into events (position, stream, version, type, schema_version, data, command_id, correlation_id,
                    recorded_at)
select n, 'account-' || n / 20, n % 20 + 1, 'Moved', 1, '{{}}', gen_random_uuid(), gen_random_uuid(), now()
from generate_series(1, {MANY}) as n"""


@pytest.mark.parametrize(
    ("name", "binds"),
    [
        ("read_range", (["Moved"], 1000, 1_000_000)),
        ("read_log", (["Moved"], None, None, None, None, 1000, 1_000_000)),
    ],
)
async def test_a_page_does_not_sort_what_is_left_of_the_log(
    database: Database, name: str, binds: tuple[object, ...]
) -> None:
    await fill(database)
    async with reading(database) as connection:
        plan = await connection.fetch(f"explain {statement(name)}", 100, MANY, *binds)
    assert not [row[0] for row in plan if "Sort" in row[0] or "Bitmap" in row[0]]


@pytest.mark.parametrize("select", [log_pages.SELECT, expected.SELECT], ids=["folds", "mirror"])
async def test_a_copy_does_not_sort_what_is_left_of_the_log(database: Database, select: str) -> None:
    await fill(database)
    async with reading(database) as connection:
        plan = await connection.fetch(f"explain {select.format(after=100, up_to=MANY)}")
    assert not [row[0] for row in plan if "Sort" in row[0] or "Bitmap" in row[0]]


async def test_an_event_s_outcome_is_not_looked_up_for_itself(database: Database) -> None:
    await fill(database)
    for analyze in ("", "analyze events"):
        async with reading(database) as connection:
            await connection.execute(f"{HASHED}; {analyze}")
            plan = await connection.fetch(f"explain {statement('audit_events')}", 100, 5000, 100, 5000, [])
        said = "\n".join(row[0] for row in plan)
        assert "Hash" in said
        assert not [word for word in ("Nested Loop", "Seq Scan", "Disabled") if word in said], said


async def test_versions_are_not_looked_up_row_by_row(database: Database) -> None:
    """With statistics the planner knows that the index has all. Without, it reads the table as it lies."""
    await fill(database)
    for vacuum in ("select 1", "vacuum (analyze) events"):
        await database.fetch(vacuum)
        async with reading(database) as connection:
            await connection.execute(GROUPED)
            plan = await connection.fetch(f"explain {statement('audit_streams')}")
        said = "\n".join(row[0] for row in plan)
        assert "Seq Scan on events" in said or "Index Only Scan" in said, said


async def fill(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute(_FILL)
