"""How far reactors have come, and what they remember: a state per key, saved with the checkpoint, or not.

A reactor's keys are spread over partitions, each with a checkpoint. The states of a partition's keys equal a
fold of the log up to its folded_position. Its checkpoint is ahead of that only where the states are still to
be made again from the log: after a replay was asked for, an import, or when a reactor that remembered nothing
begins to.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from commander.eventstore.database import Connection, Database, reaching_postgres
from commander.eventstore.log.event_log import head_position
from commander.eventstore.records import SubmittedCommand
from commander.eventstore.sql import statement

_SAVE = statement("save_reactor")
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
    """position: the last event a partition is done with. folded: the last one that its states know."""

    position: int
    folded: int

    @property
    def remaking(self) -> bool:
        """Whether states are to be made again, so that no command is sent."""
        return self.folded < self.position


class ReactorStanding(NamedTuple):
    """A reactor as it stands: its partition that is furthest behind.

    failed_position and error: of its partition that stopped first; stopped: how many have. states: how many
    it keeps.
    """

    name: str
    position: int
    folded_position: int
    failed_position: int | None
    error: str | None
    states: int
    partitions: int
    stopped: int


async def reactor_checkpoints(
    connection: Connection, name: str, partitions: Collection[int]
) -> dict[int, Checkpoint]:
    """Where these partitions of a reactor go on; a new one is made known thereby, and begins at 0.

    connection: the one that holds the partitions' locks.
    """
    with reaching_postgres(connection):
        await connection.execute(  # it waits for an import that runs
            "insert into reactors (name) values ($1) on conflict (name) do update set name = excluded.name",
            name,
        )
        await connection.execute(
            """insert into reactor_partitions (reactor, partition, position, folded_position)
               select name, partition, position, folded_position
               from reactors cross join unnest($2::int[]) as partition
               where name = $1
               on conflict do nothing""",
            name,
            partitions,
        )
        rows = await connection.fetch(
            """select partition, position, folded_position from reactor_partitions
               where reactor = $1 and partition = any($2::int[])""",
            name,
            partitions,
        )
    return {partition: Checkpoint(*checkpoint) for partition, *checkpoint in rows}


async def reactor_positions(database: Database) -> dict[str, int]:
    """By the reactor's name, the last position that all its partitions are done with."""
    rows = await database.fetch(
        """select name, coalesce(min(p.position), r.position) as position
           from reactors as r left join reactor_partitions as p on p.reactor = r.name
           group by name"""
    )
    return {row["name"]: row["position"] for row in rows}


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


async def states_with_deadlines(connection: Connection, name: str) -> AsyncIterator[tuple[str, StoredState]]:
    """All keys and states that have a deadline."""
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
            yield row["key"], _stored(row["state"], row["deadlines"], row["position"])
        if len(rows) < _PAGE:
            return
        after = rows[-1]["key"]


async def save_reactor(
    connection: Connection,
    name: str,
    positions: Mapping[int, int],
    changed: Mapping[str, StoredState | None] | None = None,
) -> None:
    """Moves partitions up to these positions, and with them the states; None is a state that has ended.

    connection: the one that holds the partitions' locks.
    """
    async with _transaction(connection):
        await connection.execute(_SAVE, name, list(positions), list(positions.values()))
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


async def save_reactor_error(
    connection: Connection, name: str, partition: int, position: int, error: str
) -> None:
    with reaching_postgres(connection):
        await connection.execute(
            """update reactor_partitions set failed_position = $3, error = $4, updated_at = now()
               where reactor = $1 and partition = $2""",
            name,
            partition,
            position,
            error,
        )


async def forget_states(connection: Connection, name: str, *, position: int | None = None) -> None:
    """Forgets all states, so that they are made again from the log. position: moves the checkpoints there."""
    async with _transaction(connection):
        await connection.execute("delete from reactor_states where reactor = $1", name)
        await connection.execute(
            """insert into reactors (name, position) values ($1, coalesce($2, 0))
               on conflict (name) do update
               set folded_position = 0, position = coalesce($2, reactors.position)""",
            name,
            position,
        )
        await connection.execute(
            """update reactor_partitions
               set folded_position = 0, position = coalesce($2, position),
                   failed_position = null, error = null
               where reactor = $1""",
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
