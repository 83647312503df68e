"""Where a new reactor or effect begins.

On an empty log it begins with the first event. Every part stores such checkpoints before it works, so that a
reactor whose process starts later still gets that event. On a log with events, a new one must say where it
begins: it could repeat all history, or lose what waits for it.
"""

from __future__ import annotations

from collections.abc import Mapping

from commander.domain.reactions import Begins
from commander.eventstore.database import Connection, Database


async def begin_reactors(database: Database, begins: Mapping[str, Begins | None]) -> list[str]:
    """Stores the checkpoints of new reactors. Returns those that must say where they begin.

    begins: by stored name. "now": states begin with the next event too, and know nothing of earlier ones.
    Raises Unavailable.
    """
    return await _begin(
        database,
        begins,
        "select name from reactors",
        """insert into reactors (name, position, folded_position) values ($1, $2, $2)
           on conflict do nothing""",
        imported=False,
    )


async def begin_effects(database: Database, begins: Mapping[str, Begins | None]) -> list[str]:
    """Stores the checkpoints of new effects. Returns those that must say where they begin.

    Events of an import are history: if there are no later ones, an effect begins after them.
    Raises Unavailable.
    """
    return await _begin(
        database,
        begins,
        "select name from effects",
        "insert into effects (name, position) values ($1, $2) on conflict do nothing",
        imported=True,
    )


async def _begin(
    database: Database, begins: Mapping[str, Begins | None], existing: str, insert: str, *, imported: bool
) -> list[str]:
    if not begins.keys() - {row["name"] for row in await database.fetch(existing)}:
        return []
    refused = []
    async with database.connection() as connection, connection.transaction():
        head, floor = await _locked_head(connection)
        if not imported:
            floor = 0
        known = {row["name"] for row in await connection.fetch(existing)}
        for name in sorted(begins.keys() - known):
            if head == floor or begins[name] == "now":
                await connection.execute(insert, name, head)
            elif begins[name] == "beginning":
                await connection.execute(insert, name, 0)
            else:
                refused.append(name)
    return refused


async def _locked_head(connection: Connection) -> tuple[int, int]:
    """The head of the log, and that of an import. Nothing is appended until the transaction ends."""
    row = await connection.fetchrow("select head, imported_position from hold_log(), log_lock")
    assert row is not None, "a migration inserts the row of log_lock"
    return row["head"], row["imported_position"]
