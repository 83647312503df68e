"""The checkpoints of effects, and their dead letters: the calls that used up their attempts.

(running) ─ out of attempts ─► FAILED ─ retry ─► RETRYING ─► DONE, or FAILED again
                               FAILED ─ drop ─► DROPPED
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from commander.domain.errors import NotFound
from commander.eventstore.database import Connection, Database, reaching_postgres


class EffectFailure(NamedTuple):
    """The dead letter of an effect's call, which may be in retry."""

    effect: str
    position: int
    state: str
    attempts: int
    error: str
    failed_at: datetime


class EffectAction(NamedTuple):
    """An action taken on a dead letter: RETRIED or DROPPED."""

    action: str
    actor: str | None
    at: datetime


async def begin_effect(connection: Connection, name: str) -> int:
    """The checkpoint of this effect. A new effect begins at the head: it is not called for older events.

    Raises Unavailable.
    """
    with reaching_postgres(connection):
        return int(
            await connection.fetchval(
                """with begun as (
                       insert into effects (name, position) select $1, position from log_head
                       where not exists (select from newest_effects() where name = $1) returning position
                   )
                   select position from begun
                   union all select position from newest_effects() where name = $1""",
                name,
            )
        )


async def settled_effects(connection: Connection, name: str, after: int) -> set[int]:
    """The positions after `after` that have a dead letter: they must not be called again."""
    with reaching_postgres(connection):
        rows = await connection.fetch(
            "select position from effect_failures where effect = $1 and position > $2", name, after
        )
    return {row["position"] for row in rows}


async def record_effect_failure(
    connection: Connection, name: str, position: int, attempts: int, error: str
) -> None:
    """Makes the call a dead letter, or updates its dead letter, and deletes the count of its attempts."""
    with reaching_postgres(connection):
        await connection.execute(
            """with counted as (delete from effect_calls where effect = $1 and position = $2)
               insert into effect_failures (effect, position, state, attempts, error)
               values ($1, $2, 'FAILED', $3, $4)
               on conflict (effect, position) do update set state = 'FAILED', error = excluded.error,
                   attempts = effect_failures.attempts + excluded.attempts, failed_at = now()""",
            name,
            position,
            attempts,
            error,
        )


async def record_effect_done(connection: Connection, name: str, position: int) -> None:
    """Records that the retry of a dead letter succeeded."""
    with reaching_postgres(connection):
        await connection.execute(
            """with counted as (delete from effect_calls where effect = $1 and position = $2)
               update effect_failures set state = 'DONE' where effect = $1 and position = $2""",
            name,
            position,
        )


async def effects_to_retry(connection: Connection, name: str, limit: int) -> list[int]:
    """The positions of dead letters with a requested retry, oldest first, at most `limit`."""
    with reaching_postgres(connection):
        rows = await connection.fetch(
            """select position from effect_failures where effect = $1 and state = 'RETRYING'
               order by position limit $2""",
            name,
            limit,
        )
    return [row["position"] for row in rows]


async def effect_positions(database: Database) -> Mapping[str, int]:
    """The checkpoint of each effect, by name."""
    return {
        row["name"]: row["position"]
        for row in await database.fetch("select name, position from newest_effects()")
    }


async def open_effect_failures(database: Database) -> Mapping[str, int]:
    """How many dead letters of each effect are neither retried nor dropped, by name."""
    rows = await database.fetch(
        """select name, count(effect) as failed
           from newest_effects() left join effect_failures on effect = name and state = 'FAILED'
           group by name"""
    )
    return {row["name"]: row["failed"] for row in rows}


async def list_effect_failures(database: Database, limit: int) -> list[EffectFailure]:
    """The dead letters that are open or in retry, oldest first, at most `limit`."""
    rows = await database.fetch(
        """select effect, position, state, attempts, error, failed_at from effect_failures
           where state in ('FAILED', 'RETRYING') order by failed_at, effect, position limit $1""",
        limit,
    )
    return [EffectFailure(*row) for row in rows]


async def effect_actions(database: Database, effect: str, position: int) -> list[EffectAction]:
    """The actions taken on a dead letter, oldest first."""
    rows = await database.fetch(
        "select action, actor, at from effect_actions where effect = $1 and position = $2 order by at",
        effect,
        position,
    )
    return [EffectAction(*row) for row in rows]


async def act_on_effect(
    database: Database, effect: str, position: int, action: str, actor: str | None
) -> EffectFailure:
    """Retries or drops a dead letter, and records the action. action: RETRIED or DROPPED.

    actor: who asked for it. Returns the dead letter as it is now. Raises NotFound if there is no open dead
    letter at this position.
    """
    state = {"RETRIED": "RETRYING", "DROPPED": "DROPPED"}[action]
    async with database.connection() as connection, connection.transaction():
        changed = await connection.fetchrow(
            """update effect_failures set state = $3
               where effect = $1 and position = $2 and state = 'FAILED'
               returning effect, position, state, attempts, error, failed_at""",
            effect,
            position,
            state,
        )
        if changed is None:
            raise NotFound(f"the effect {effect} has no open dead letter at position {position}")
        await connection.execute(
            "insert into effect_actions (effect, position, action, actor) values ($1, $2, $3, $4)",
            effect,
            position,
            action,
            actor,
        )
    return EffectFailure(*changed)
