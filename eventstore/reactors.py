"""What reactors remember: a state per key, saved in one transaction with the checkpoint, or not at all.

The states of a reactor equal a fold of the log up to folded_position. Its checkpoint is ahead of that only
where the states are still to be made again from the log: after a replay was asked for, an import, or when a
reactor that remembered nothing begins to.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import msgspec

from eventstore.checkpoints import reactor_position
from eventstore.database import Connection, Database, reaching_postgres
from eventstore.log import head_position
from eventstore.records import SubmittedCommand
from eventstore.sql import statement

_SAVE_STATES = statement("save_reactor_states")
_LIST = statement("list_reactors")
_PAGE = 500
_deadlines = msgspec.json.Decoder(tuple[SubmittedCommand, ...])


@dataclass(frozen=True)
class StoredState:
    """A state as JSON. deadlines: commands that are sent unless something comes before their time.

    position: the event that it follows from.
    """

    state: str
    deadlines: tuple[SubmittedCommand, ...]
    position: int


class Checkpoint(NamedTuple):
    """position: the last event the reactor is done with. folded: the last one that its states know."""

    position: int
    folded: int


class ReactorStanding(NamedTuple):
    """A reactor as it stands; failed_position and error where it has stopped. states: how many it keeps."""

    name: str
    position: int
    folded_position: int
    failed_position: int | None
    error: str | None
    updated_at: datetime
    states: int


async def reactor_checkpoint(connection: Connection, name: str) -> Checkpoint:
    """Where a reactor goes on; from the beginning for a new one, which is made known thereby."""
    position = await reactor_position(connection, name)
    with reaching_postgres(connection):
        folded = await connection.fetchval("select folded_position from reactors where name = $1", name)
    return Checkpoint(position, int(folded))


async def load_states(connection: Connection, name: str, keys: Iterable[str]) -> dict[str, StoredState]:
    """The states of those of these keys that have one."""
    with reaching_postgres(connection):
        rows = await connection.fetch(
            """select key, state, deadlines, position from reactor_states
               where reactor = $1 and key = any($2::text[])""",
            name,
            list(keys),
        )
    return {row["key"]: _stored(row["state"], row["deadlines"], row["position"]) for row in rows}


async def states_with_deadlines(connection: Connection, name: str) -> AsyncIterator[StoredState]:
    """All states that have a deadline."""
    after = ""
    while True:
        with reaching_postgres(connection):
            rows = await connection.fetch(
                """select key, state, deadlines, position from reactor_states
                   where reactor = $1 and key > $2 and deadlines::text <> '[]' order by key limit $3""",
                name,
                after,
                _PAGE,
            )
        for row in rows:
            yield _stored(row["state"], row["deadlines"], row["position"])
        if len(rows) < _PAGE:
            return
        after = rows[-1]["key"]


async def save_reactor(
    connection: Connection,
    name: str,
    position: int,
    changed: Mapping[str, StoredState | None] | None = None,
    *,
    folded_only: bool = False,
) -> None:
    """Moves the checkpoint, and with it the states; None is a state that has ended.

    folded_only: the states are made again, up to here; the checkpoint stays.
    """
    async with _transaction(connection):
        await connection.execute(
            """update reactors
               set position = case when $3 then position else $2 end, folded_position = $2,
                   failed_position = null, error = null, updated_at = now()
               where name = $1""",
            name,
            position,
            folded_only,
        )
        if not changed:
            return
        kept = {key: state for key, state in changed.items() if state is not None}
        ended = [key for key, state in changed.items() if state is None]
        if ended:
            await connection.execute(
                "delete from reactor_states where reactor = $1 and key = any($2::text[])", name, ended
            )
        if kept:
            await connection.execute(
                _SAVE_STATES,
                name,
                list(kept),
                [one.state for one in kept.values()],
                [msgspec.json.encode(one.deadlines).decode() for one in kept.values()],
                [one.position for one in kept.values()],
            )


async def forget_states(connection: Connection, name: str, *, position: int | None = None) -> None:
    """Forgets all states, so that they are made again from the log. position: moves the checkpoint there."""
    async with _transaction(connection):
        await connection.execute("delete from reactor_states where reactor = $1", name)
        await connection.execute(
            """update reactors set folded_position = 0, position = coalesce($2, position),
                                   failed_position = null, error = null
               where name = $1""",
            name,
            position,
        )


async def reactor_standings(database: Database) -> tuple[int, list[ReactorStanding]]:
    """The head of the log, and every reactor that ever ran."""
    head = await head_position(database)
    return head, [ReactorStanding(*row) for row in await database.fetch(_LIST)]


@asynccontextmanager
async def _transaction(connection: Connection) -> AsyncIterator[None]:
    with reaching_postgres(connection):
        async with connection.transaction():
            yield


def _stored(state: str, deadlines: str, position: int) -> StoredState:
    return StoredState(state, _deadlines.decode(deadlines), position)
