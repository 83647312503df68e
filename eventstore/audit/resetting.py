"""Sets checkpoints back that are beyond the end of what they belong to. No part that moves them may run."""

from __future__ import annotations

from collections.abc import Sequence

from commander.eventstore.database import Connection, Database

_REACTOR = """
with head as (
    select position from log_head
),
known as (
    select coalesce(
        (select min(p.position) from reactor_partitions as p, head
         where p.reactor = $1 and p.position <= head.position),
        (select max(c.causation_position) from commands as c, head
         where c.reactor = $1 and c.causation_position <= head.position),
        0
    ) as position
),
reactor as (
    update reactors as r
    set position = case when r.position > head.position then known.position else r.position end,
        folded_position = case when r.folded_position > head.position or exists (
            select from reactor_states as s where s.reactor = $1 and s.position <= r.folded_position
        ) then 0 else r.folded_position end
    from head, known where r.name = $1
    returning r.folded_position
)
update reactor_partitions as p
set position = case when p.position > head.position then known.position else p.position end,
    folded_position = (select folded_position from reactor), failed_position = null, error = null
from head, known where p.reactor = $1"""


async def reset_reactor(connection: Connection, name: str, *, keyed: bool) -> None:
    """Sets the reactor's checkpoints to what it is known to have handled, and forgets its states.

    That is where its other partitions are; else its last reaction with an outcome. What it has handled since
    it handles again: the commands have the same ids, so they find their outcomes. keyed: it has states: they
    are to be folded again, up to the checkpoint. Call it in a transaction.
    """
    await connection.execute(_REACTOR, name)
    if keyed:
        await connection.execute("delete from reactor_states where reactor = $1", name)


async def reset_effect(database: Database, name: str) -> None:
    """Sets the effect's checkpoint to the end of the log: it is not called for what is before."""
    await database.fetch(
        "update effects set position = log_head.position from log_head where name = $1", name
    )


async def drop_these_snapshots(database: Database, streams: Sequence[str]) -> None:
    """Drops the snapshots of these streams."""
    await database.fetch("delete from snapshots where stream = any($1::text[])", list(streams))
