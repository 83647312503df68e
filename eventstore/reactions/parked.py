"""Parked keys of reactors: an event of the key failed. Its later events wait in the log, other keys go on.

(failing event) ─► PARKED ─ retry, or skip of the failing event ─► RETRYING ─► caught up: no longer parked
                     ▲                                               │
                     └────────────── an event fails again ◄──────────┘

Only the owner of the key's partition stores and deletes parked keys, through the connection that holds its
lock. Others change only a key that is PARKED, and the owner only one that is RETRYING.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from commander.domain.errors import NotFound
from commander.eventstore.database import Connection, Database, reaching_postgres

PARKED, RETRYING = "PARKED", "RETRYING"
_COLUMNS = """number, reactor, key, partition, state, position, handled_position, sent_position, event_type,
              error, traceback, attempts, fingerprint, parked_at, failed_at"""


class Failure(NamedTuple):
    """Why a key is parked: the error on the event at this position.

    handled: the key's events up to it are handled or skipped. sent: the commands of its events up to it were
    sent. fingerprint: that of the reactor's code.
    """

    key: str
    partition: int
    position: int
    handled: int
    sent: int
    event_type: str
    error: str
    traceback: str
    fingerprint: str


class ParkedKey(NamedTuple):
    """A parked key. attempts: how often the event at `position` has failed. Others: see Failure."""

    number: int
    reactor: str
    key: str
    partition: int
    state: str
    position: int
    handled: int
    sent: int
    event_type: str
    error: str
    traceback: str
    attempts: int
    fingerprint: str
    parked_at: datetime
    failed_at: datetime


class ParkedAction(NamedTuple):
    """An action on a parked key: RETRIED or SKIPPED, at the failing event's position."""

    position: int
    action: str
    actor: str | None
    at: datetime


async def parked_keys(connection: Connection, reactor: str, partitions: Collection[int]) -> list[ParkedKey]:
    """The parked keys of these partitions. Raises Unavailable."""
    with reaching_postgres(connection):
        rows = await connection.fetch(
            f"select {_COLUMNS} from reactor_failures where reactor = $1 and partition = any($2::int[])",
            reactor,
            list(partitions),
        )
    return [ParkedKey(*row) for row in rows]


async def count_parked(connection: Connection, reactor: str) -> int:
    """How many keys of the reactor are parked, in all partitions. Raises Unavailable."""
    with reaching_postgres(connection):
        return int(
            await connection.fetchval("select count(*) from reactor_failures where reactor = $1", reactor)
        )


async def skipped_positions(connection: Connection, reactor: str) -> frozenset[int]:
    """The positions of the events that somebody skipped: this reactor never handles them."""
    with reaching_postgres(connection):
        rows = await connection.fetch(
            "select position from reactor_actions where reactor = $1 and action = 'SKIPPED'", reactor
        )
    return frozenset(row["position"] for row in rows)


async def retry_other_code(
    connection: Connection, reactor: str, partitions: Collection[int], fingerprint: str
) -> int:
    """Retries the parked keys of these partitions that failed with other code. Returns how many."""
    with reaching_postgres(connection):
        done = await connection.execute(
            """update reactor_failures set state = 'RETRYING', fingerprint = $3
               where reactor = $1 and partition = any($2::int[]) and fingerprint <> $3""",
            reactor,
            list(partitions),
            fingerprint,
        )
    return int(done.rpartition(" ")[2])


async def store_parked(connection: Connection, reactor: str, failures: Sequence[Failure]) -> None:
    """Parks these keys, or parks them again after a retry. Call it in a transaction of the owner."""
    await connection.executemany(
        """insert into reactor_failures (reactor, key, partition, state, position, handled_position,
                                         sent_position, event_type, error, traceback, attempts, fingerprint)
           values ($1, $2, $3, 'PARKED', $4, $5, $6, $7, $8, $9, 1, $10)
           on conflict (reactor, key) do update
           set state = 'PARKED', handled_position = excluded.handled_position,
               sent_position = excluded.sent_position, event_type = excluded.event_type,
               error = excluded.error, traceback = excluded.traceback, fingerprint = excluded.fingerprint,
               failed_at = now(), position = excluded.position,
               attempts = case reactor_failures.position when excluded.position
                          then reactor_failures.attempts + 1 else 1 end""",
        [(reactor, *one) for one in failures],
    )


async def move_parked(connection: Connection, reactor: str, key: str, handled: int) -> None:
    """Stores how far the retry of a key has come. Call it in a transaction of the owner."""
    await connection.execute(
        """update reactor_failures set handled_position = $3, sent_position = greatest(sent_position, $3)
           where reactor = $1 and key = $2""",
        reactor,
        key,
        handled,
    )


async def unpark(connection: Connection, reactor: str, key: str) -> None:
    """The key has caught up. Call it in a transaction of the owner."""
    await connection.execute("delete from reactor_failures where reactor = $1 and key = $2", reactor, key)


async def list_parked(
    database: Database,
    reactor: str | None,
    after: int,
    limit: int,
    *,
    before: int | None = None,
    newest_first: bool = False,
) -> list[ParkedKey]:
    """The parked keys with a number above `after` and below `before`, at most `limit`.

    reactor: only its keys. newest_first: from the end, otherwise in the order in which they were parked.
    """
    rows = await database.fetch(
        f"""select {_COLUMNS} from reactor_failures
            where number > $2 and ($4::bigint is null or number < $4) and ($1::text is null or reactor = $1)
            order by number {"desc" if newest_first else ""} limit $3""",
        reactor,
        after,
        limit,
        before,
    )
    return [ParkedKey(*row) for row in rows]


async def parked_actions(database: Database, reactor: str, key: str) -> list[ParkedAction]:
    """The actions on a key, oldest first. They stay when the key is no longer parked."""
    rows = await database.fetch(
        "select position, action, actor, at from reactor_actions where reactor = $1 and key = $2 order by at",
        reactor,
        key,
    )
    return [ParkedAction(*row) for row in rows]


async def act_on_parked(
    database: Database, reactor: str, key: str | None, action: str, actor: str | None
) -> list[ParkedKey]:
    """Retries a parked key, or skips its failing event and retries the events after it. Records the action.

    key: None for all parked keys of the reactor. action: RETRIED or SKIPPED. Returns the keys as
    they are now, by the positions of their failing events. Raises NotFound if no such key is parked, or only
    in retry.
    """
    async with database.connection() as connection, connection.transaction():
        rows = await connection.fetch(
            f"""with acted as (
                   update reactor_failures
                   set state = 'RETRYING',
                       handled_position = case $3 when 'SKIPPED' then position else handled_position end
                   where reactor = $1 and ($2::text is null or key = $2) and state = 'PARKED'
                   returning {_COLUMNS}
               ), recorded as (
                   insert into reactor_actions (reactor, key, position, action, actor)
                   select $1, key, position, $3, $4 from acted
               )
               select {_COLUMNS} from acted order by position""",
            reactor,
            key,
            action,
            actor,
        )
    if not rows:
        what = "no parked key" if key is None else f"no parked key {key}"
        raise NotFound(f"the reactor {reactor} has {what}, or its retry has not ended")
    return [ParkedKey(*row) for row in rows]
