"""The list of decided commands with their outcomes, and the dead letters among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from commander.eventstore.database import Connection, Database, reaching_postgres
from commander.eventstore.records import Outcome, Status
from commander.eventstore.sql import statement

_LIST = statement("list_commands")
_LIST_BACK = statement("list_commands_back")
_COUNT = statement("count_outcomes")
_LIST_DEAD_LETTERS = statement("list_dead_letters")
_ENDED_EARLY = """not a.submitted
                  and a.at not between now() - interval '1 minute' and now() + interval '1 minute'"""
"""The process of a retry ended before its submission. A submission takes a few seconds at most."""


@dataclass(frozen=True)
class CommandFilter:
    """A filter on commands. A command must match every part; a part that is None matches any command."""

    statuses: frozenset[Status] | None = None
    types: frozenset[str] | None = None
    streams: frozenset[str] | None = None
    correlation_id: UUID | None = None
    actor: str | None = None


class DeadLetterAction(NamedTuple):
    """The action taken on a dead letter: RETRIED (as another command) or DROPPED. There is at most one."""

    command_id: UUID
    action: str
    retried_as: UUID | None
    actor: str | None
    at: datetime


class OpenDeadLetters(NamedTuple):
    """total: how many there are. newest_at: when the newest one failed."""

    total: int
    newest_at: datetime | None


async def list_commands(
    database: Database,
    before: int | None,
    limit: int,
    where: CommandFilter,
    *,
    after: int = 0,
    oldest_first: bool = False,
    subject: str | None = None,
) -> list[Outcome]:
    """Outcomes that match, newest first, at most `limit`.

    before, after: only those with a lower number, and with a higher one. subject: only those of the commands
    that it has sent; None: of all.
    """
    rows = await database.fetch(
        _LIST_BACK if oldest_first else _LIST,
        before,
        *(None if names is None else list(names) for names in (where.statuses, where.types, where.streams)),
        where.correlation_id,
        where.actor,
        limit,
        after,
        subject,
    )
    return [Outcome(*row) for row in rows]


async def list_dead_letters(database: Database, limit: int) -> list[Outcome]:
    """Failed commands that are neither retried nor dropped, oldest first."""
    return [Outcome(*row) for row in await database.fetch(_LIST_DEAD_LETTERS, limit)]


async def open_dead_letters(database: Database) -> OpenDeadLetters:
    """The failed commands that are neither retried nor dropped."""
    row = await database.fetchrow(
        """select count(*), max(c.decided_at) from commands as c where c.status = 'FAILED'
           and not exists (select from dead_letter_actions as a
                           where a.command_id = c.command_id and a.submitted)"""
    )
    assert row is not None, "an aggregate has a row"
    return OpenDeadLetters(*row)


async def outcomes_after(database: Database, number: int, limit: int) -> Mapping[Status, int]:
    """How the newest outcomes after a number have ended, at most `limit` of them."""
    return {Status(status): count for status, count in await database.fetch(_COUNT, number, limit)}


async def dead_letter_action(database: Database, command_id: UUID) -> DeadLetterAction | None:
    """The action taken on this dead letter; None if there is none. A retry counts once it is submitted."""
    row = await database.fetchrow(
        """select command_id, action, retried_as, actor, at from dead_letter_actions
           where command_id = $1 and submitted""",
        command_id,
    )
    return None if row is None else DeadLetterAction(*row)


async def record_dead_letter_action(
    connection: Connection, command_id: UUID, action: str, retried_as: UUID | None, actor: str | None
) -> bool:
    """Records the action, which is final. Returns False if an action was recorded, or a retry has begun."""
    with reaching_postgres(connection):
        recorded = await connection.fetchval(
            """insert into dead_letter_actions (command_id, action, retried_as, actor) values ($1, $2, $3, $4)
               on conflict do nothing returning true""",
            command_id,
            action,
            retried_as,
            actor,
        )
    return bool(recorded)


async def begin_retry(connection: Connection, command_id: UUID, retried_as: UUID, actor: str | None) -> bool:
    """Records that the dead letter will be submitted as another command. From now on it cannot be dropped.

    Returns False if the dead letter was dropped or retried, or is being retried. A retry that ended without
    being submitted can begin again.
    """
    with reaching_postgres(connection):
        begun = await connection.fetchval(
            f"""insert into dead_letter_actions as a (command_id, action, retried_as, actor, submitted)
                values ($1, 'RETRIED', $2, $3, false)
                on conflict (command_id) do update set at = now(), actor = excluded.actor where {_ENDED_EARLY}
                returning true""",
            command_id,
            retried_as,
            actor,
        )
    return bool(begun)


async def retry_ended_early(connection: Connection, command_id: UUID) -> None:
    """Records that the retry ended, and that it is unknown whether its command is stored."""
    with reaching_postgres(connection):
        await connection.execute(
            "update dead_letter_actions set at = '-infinity' where command_id = $1 and not submitted",
            command_id,
        )


async def has_unfinished_retry(database: Database, command_id: UUID) -> bool:
    """Whether a retry of this dead letter ended, and it is unknown whether its command is stored."""
    sql = f"select exists (select from dead_letter_actions as a where a.command_id = $1 and {_ENDED_EARLY})"
    return bool(await database.fetchval(sql, command_id))


async def retry_submitted(connection: Connection, command_id: UUID) -> None:
    """Records that the command of the retry is stored. The retry is final."""
    with reaching_postgres(connection):
        await connection.execute(
            "update dead_letter_actions set submitted = true where command_id = $1 and action = 'RETRIED'",
            command_id,
        )


async def stream_version(database: Database, stream: str) -> int:
    """The version of the stream's newest event; 0 if it has none."""
    found = await database.fetchval("select max(version) from events where stream = $1", stream)
    return int(found or 0)
