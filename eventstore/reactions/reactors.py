"""The checkpoints of reactors and their states: one state per key, stored with the checkpoint.

A reactor's keys are spread over partitions, each with a checkpoint. The states of a partition's keys equal a
fold of the log up to its folded_position. The checkpoint is higher than folded_position only while the states
are rebuilt from the log: after a replay or an import, or when a reactor without a key gets one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from commander.eventstore.database import Connection, Database, reaching_postgres
from commander.eventstore.log.event_log import head_position
from commander.eventstore.log.pending import Sent, remember, remembered_columns
from commander.eventstore.reactions.parked import Failure, move_parked, store_parked, unpark
from commander.eventstore.records import SubmittedCommand
from commander.eventstore.sql import statement

_SAVE = statement("save_reactor")
_SAVE_STATES = "select save_reactor_states($1, $2, $3, $4, $5)"
_LIST = statement("list_reactors")
_PAGE = 500
_deadlines = msgspec.json.Decoder(tuple[SubmittedCommand, ...])


@dataclass(frozen=True)
class StoredState:
    """A state as JSON. deadlines: commands that are sent at their time unless another event cancels them.

    position: the last event that changed it.
    """

    state: str
    deadlines: tuple[SubmittedCommand, ...]
    position: int


class Checkpoint(NamedTuple):
    """position: the last event that a partition has handled. folded: the last event in its states."""

    position: int
    folded: int

    @property
    def is_rebuilding(self) -> bool:
        """Whether the states are being rebuilt. No command is sent meanwhile."""
        return self.folded < self.position


class ReactorStatus(NamedTuple):
    """The progress of a reactor.

    position, folded_position: the lowest of its partitions. failed_position, error: those of the partition
    that stopped at the lowest position. stopped: how many partitions have stopped. states: how many it has;
    None if they were not counted.
    parked: how many keys are parked.
    """

    name: str
    position: int
    folded_position: int
    failed_position: int | None
    error: str | None
    states: int | None
    partitions: int
    stopped: int
    parked: int


async def reactor_checkpoints(
    connection: Connection, name: str, partitions: Collection[int]
) -> dict[int, Checkpoint]:
    """The checkpoints of these partitions of a reactor, by partition.

    A new reactor is stored, and begins at 0.

    connection: it holds the locks of the partitions. Raises Unavailable.
    """
    with reaching_postgres(connection):
        await connection.execute(  # the update waits for a running import
            "insert into reactors (name) values ($1) on conflict (name) do update set name = excluded.name",
            name,
        )
        await connection.execute(
            """insert into reactor_partitions (reactor, partition, position, folded_position)
               select name, new.partition, position, folded_position
               from reactors cross join unnest($2::int[]) as new (partition)
               where name = $1 and not exists (
                   select from reactor_partitions as p where p.reactor = $1 and p.partition = new.partition
               )""",
            name,
            partitions,
        )
        rows = await connection.fetch(
            """select partition, position, folded_position from checkpoints_of_reactor($1)
               where partition = any($2::int[])""",
            name,
            partitions,
        )
    return {partition: Checkpoint(*checkpoint) for partition, *checkpoint in rows}


async def reactor_positions(database: Database) -> dict[str, int]:
    """The last position that all partitions of a reactor have handled, by the reactor's name."""
    rows = await database.fetch(
        """select name, coalesce(min(p.position), r.position) as position
           from reactors as r left join lateral checkpoints_of_reactor(r.name) as p on true
           group by name"""
    )
    return {row["name"]: row["position"] for row in rows}


async def load_states(connection: Connection, name: str, keys: Iterable[str]) -> dict[str, StoredState]:
    """The states of these keys, by key. A key without a state is missing."""
    with reaching_postgres(connection):
        rows = await connection.fetch(
            "select key, state, deadlines, position from states_of_reactor($1, $2)",
            name,
            list(keys),
        )
    return {row["key"]: _stored(row["state"], row["deadlines"], row["position"]) for row in rows}


async def states_with_deadlines(connection: Connection, name: str) -> AsyncIterator[tuple[str, StoredState]]:
    """All keys and states with a deadline, in the order of the keys."""
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
    parked: Sequence[Failure] = (),
    sent: Sent | None = None,
) -> None:
    """Moves partitions to these positions, stores the changed states and parks keys, in one transaction.

    positions: by partition. changed: states by key; None for a state that has ended. sent: the commands of
    the events; they are stored until they have an outcome.
    connection: it holds the locks of the partitions. Raises Unavailable.
    """
    async with _transaction(connection):
        commands = remembered_columns(sent)
        await connection.execute(_SAVE, name, list(positions), list(positions.values()), *commands)
        if changed:
            await save_states(connection, name, changed)
        if parked:
            await store_parked(connection, name, parked)


async def save_retry(
    connection: Connection,
    name: str,
    key: str,
    changed: Mapping[str, StoredState | None],
    handled: int,
    failure: Failure | None,
    *,
    caught_up: bool,
    sent: Sent | None = None,
) -> None:
    """Stores how far the retry of a parked key has come: its state, and up to which event it is handled.

    failure: why it is parked again. caught_up: it is no longer parked. Otherwise as save_reactor.
    """
    async with _transaction(connection):
        if changed:
            await save_states(connection, name, changed)
        if sent is not None:
            await remember(connection, sent)
        if failure is not None:
            await store_parked(connection, name, [failure])
        elif caught_up:
            await unpark(connection, name, key)
        else:
            await move_parked(connection, name, key, handled)


async def save_states(connection: Connection, name: str, changed: Mapping[str, StoredState | None]) -> None:
    """Stores these states by key; None for a state that has ended. Call it in a transaction of the owner."""
    kept = {key: state for key, state in changed.items() if state is not None}
    ended = [key for key, state in changed.items() if state is None]
    if ended:
        await connection.execute("select end_reactor_states($1, $2)", name, ended)
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
    """Stores why a partition has stopped, and at which event. Raises Unavailable."""
    with reaching_postgres(connection):
        await connection.execute(
            """update reactor_partitions set failed_position = $3, error = $4
               where reactor = $1 and partition = $2""",
            name,
            partition,
            position,
            error,
        )


async def forget_states(connection: Connection, name: str, *, position: int | None = None) -> None:
    """Deletes all states, so that they are rebuilt from the log.

    position: moves the checkpoints there. Then no key is parked any more.
    """
    async with _transaction(connection):
        if position is not None:
            await connection.execute("delete from reactor_failures where reactor = $1", name)
        await connection.execute("delete from reactor_states where reactor = $1", name)
        await connection.execute("delete from handling where starts_with(handler, $1)", f"reactor {name} ")
        await connection.execute(
            """insert into reactors (name, position) values ($1, coalesce($2, 0))
               on conflict (name) do update
               set folded_position = 0, fingerprint = null, position = coalesce($2, reactors.position)""",
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


async def reactor_statuses(database: Database) -> tuple[int, list[ReactorStatus]]:
    """The head of the log, and the progress of every reactor that has ever run."""
    head = await head_position(database)
    return head, await reactors_now(database, count_states=True)


async def reactors_now(database: Database, *, count_states: bool = False) -> list[ReactorStatus]:
    """The progress of every reactor that has ever run. count_states: it takes long if there are many."""
    return [ReactorStatus(*row) for row in await database.fetch(_LIST, count_states)]


@asynccontextmanager
async def _transaction(connection: Connection) -> AsyncIterator[None]:
    with reaching_postgres(connection):
        async with connection.transaction():
            yield


def _stored(state: str, deadlines: str, position: int) -> StoredState:
    return StoredState(state, _deadlines.decode(deadlines), position)
