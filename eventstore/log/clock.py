"""The clock of Postgres, and the last time that it gave to the log."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from commander.eventstore.database import Database


class LogClock(NamedTuple):
    """now: the clock of Postgres. recorded_at: of the newest append, which the next one cannot precede."""

    now: datetime
    recorded_at: datetime


async def log_clock(database: Database) -> LogClock:
    """Reads both. Raises Unavailable."""
    row = await database.fetchrow("select clock_timestamp(), recorded_at from log_head")
    assert row is not None, "the first migration inserts the row of log_head"
    return LogClock(*row)
