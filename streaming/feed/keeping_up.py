"""Whether the feed's tail keeps up with the log: it is compared with Postgres from time to time."""

from __future__ import annotations

import asyncio

from commander.eventstore.database import Database
from commander.eventstore.log.event_log import head_position

_CHECK_SECONDS = 1.5


class KeepingUp:
    """Compares the tail with the log. What the tail lacks from one check to the next, nobody will bring."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._log_head = 0  # at the last check
        self._checked_at = 0.0

    def begin(self) -> None:
        """Notes that the tail is followed from now on."""
        self._checked_at = asyncio.get_running_loop().time()

    async def lacks_events(self, head: int) -> bool:
        """Whether the tail, which ends at `head`, lacks events that the log had at the check before.

        It asks only if the last check was a while ago. Raises Unavailable.
        """
        if asyncio.get_running_loop().time() < self._checked_at + _CHECK_SECONDS:
            return False
        lacking = self._log_head > head
        self._log_head = await head_position(self._database)
        self._checked_at = asyncio.get_running_loop().time()
        return lacking
