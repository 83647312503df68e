"""From a command to what followed from it: found in indexes, bounded, in order."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from commander.eventstore.database import Database
from commander.eventstore.log.event_log import append
from commander.eventstore.log.lineage import descendants, events_of_commands, reactions_to
from commander.eventstore.log.outcomes import outcome_of
from commander.eventstore.records import Decision
from commander.eventstore.sql import statement
from tests.eventstore.decisions import decision, refusal


async def stored(database: Database, *made: Decision) -> int:
    """Appends these together; the log's head before."""
    async with database.connection() as connection:
        return (await append(connection, made, None)).base


async def chain(database: Database, length: int) -> list[UUID]:
    """Commands of two events each, every one a reaction to the second event of the one before."""
    ids: list[UUID] = []
    cause = None
    for n in range(length):
        made = decision(f"link-{uuid4()}", 0, 2, causation_position=cause, reactor="clerk" if n else None)
        cause = await stored(database, made) + 2
        ids.append(made.command.command_id)
    return ids


async def test_what_followed_is_found_nearest_first_and_nothing_else(database: Database) -> None:
    other = decision("other-1", 0, 3)
    await stored(database, other)
    ids = await chain(database, 4)
    last = await outcome_of(database, ids[2])
    assert last is not None
    refused = refusal("link-x", 0, causation_position=last.position - 1, reactor="clerk")
    await stored(database, refused)
    found = await descendants(database, ids[0], 10, 100)
    wanted = [(0, ids[0]), (1, ids[1]), (2, ids[2]), (3, refused.command.command_id), (3, ids[3])]
    assert [(one.depth, one.outcome.command_id) for one in found] == wanted
    events = await events_of_commands(database, [one.outcome for one in found])
    assert {id: len(made) for id, made in events.items()} == {
        **dict.fromkeys(ids, 2),
        refused.command.command_id: 1,
    }
    assert await descendants(database, uuid4(), 10, 100) == []


@pytest.mark.parametrize(("depth", "limit", "count"), [(0, 9, 1), (2, 9, 3), (9, 2, 2), (9, 9, 5)])
async def test_neither_depth_nor_size_is_exceeded(
    database: Database, depth: int, limit: int, count: int
) -> None:
    ids = await chain(database, 5)
    found = await descendants(database, ids[0], depth, limit)
    assert [one.outcome.command_id for one in found] == ids[:count]


async def test_a_command_without_events_has_no_descendants_and_steals_none(database: Database) -> None:
    [first, _] = await chain(database, 2)
    idle = decision("idle-1", 0, 0)
    await stored(database, idle)
    assert len(await descendants(database, idle.command.command_id, 10, 100)) == 1
    outcomes = [one.outcome for one in await descendants(database, first, 0, 1)]
    assert len((await events_of_commands(database, outcomes, limit=1))[first]) == 1


async def test_the_reactions_to_many_events_are_found_together_so_many_for_each(database: Database) -> None:
    base = await stored(database, decision("a-1", 0, 3))
    made = [decision(f"b-{n}", 0, causation_position=base + 1 + n % 2, reactor="clerk") for n in range(6)]
    await stored(database, *made)
    found = await reactions_to(database, [base + 1, base + 2, base + 3], 2)
    ids = [one.command.command_id for one in made]
    assert {p - base: [o.command_id for o in some] for p, some in found.items()} == {
        1: [ids[0], ids[2]],
        2: [ids[1], ids[3]],
        3: [],
    }


async def test_no_step_reads_a_table_from_end_to_end(database: Database) -> None:
    ids = await chain(database, 5)
    for n in range(20):
        await stored(database, *(decision(f"crowd-{n}-{i}", 0) for i in range(500)))
    await stored(
        database,
        *(decision(f"reaction-{i}", 0, causation_position=5000 + i, reactor="x") for i in range(500)),
    )
    await database.fetch("analyze")
    asked: list[tuple[str, list[Any]]] = [
        ("descendants", [ids[0], 20, 200]),
        ("events_of_commands", [list(range(0, 90, 2)), list(range(2, 92, 2)), None]),
        ("reactions_to", [list(range(1, 90)), 500, None]),
    ]
    for name, binds in asked:
        for setting in ("force_custom_plan", "force_generic_plan"):
            async with database.connection() as connection, connection.transaction():
                await connection.execute(f"set local plan_cache_mode = {setting}")
                explain = f"explain (analyze, costs off, timing off, summary off) {statement(name)}"
                rows = await connection.fetch(explain, *binds)
            plan = "\n".join(row[0] for row in rows)
            assert "Seq Scan" not in plan, plan
            assert "Index Cond" in plan, plan
            assert "Rows Removed" not in plan, plan
