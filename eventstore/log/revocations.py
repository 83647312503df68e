"""The revocations of tokens that all API processes share: each subject, and until when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from commander.eventstore.database import Database
from commander.eventstore.sql import statement

_STORE = statement("store_revocations")
_LATELY = "select subject, revoked_at from revocations where stored_at > clock_timestamp() - $1::interval"
_FOLLOWED = "select position from revocations_followed"
_FOLLOW = """
insert into revocations_followed as f (position) values ($1)
on conflict (only_row) do update set position = greatest(f.position, excluded.position)
"""
_FORGET = "delete from revocations where revoked_at < clock_timestamp() - $1::interval"


async def store_revocations(database: Database, revoked: Mapping[str, float]) -> None:
    """Stores revocations. Times are in seconds since 1970. Raises Unavailable."""
    times = [datetime.fromtimestamp(at, UTC) for at in revoked.values()]
    async with database.connection() as connection:
        await connection.execute(_STORE, list(revoked), times)


async def stored_revocations(database: Database, within: timedelta) -> dict[str, float]:
    """What was stored within this time, by the clock of Postgres. Raises Unavailable."""
    rows = await database.fetch(_LATELY, within)
    return {row["subject"]: row["revoked_at"].timestamp() for row in rows}


async def forget_revocations(database: Database, older_than: timedelta) -> None:
    """Deletes those that no token is of any more. Raises Unavailable."""
    async with database.connection() as connection:
        await connection.execute(_FORGET, older_than)


async def followed_for_revocations(database: Database) -> int:
    """Up to which position the log has been looked at for revocations. Raises Unavailable."""
    return int(await database.fetchval(_FOLLOWED) or 0)


async def note_followed(database: Database, position: int) -> None:
    """Notes that the log has been looked at up to this position. Raises Unavailable."""
    async with database.connection() as connection:
        await connection.execute(_FOLLOW, position)
