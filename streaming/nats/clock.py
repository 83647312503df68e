"""The clock that everything with a time goes by: that of NATS, which fires schedules.

A process knows it from the answers of NATS, and carries it from one to the next with its monotonic clock. So
its own wall clock does not matter, and neither does a jump of that.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

NOTABLE = timedelta(seconds=1)
"""Less than that is no difference between clocks, but the time that a measurement takes."""


def utc_now() -> datetime:
    """The wall clock of this process."""
    return datetime.now(UTC)


class Clock:
    """What this process knows of the clocks of the servers; streaming/clocks.py measures them.

    postgres_offset: how far Postgres' clock is ahead of that of NATS.
    """

    def __init__(self) -> None:
        self._measured: tuple[datetime, float] | None = None
        self.postgres_offset = timedelta()

    def now(self) -> datetime:
        """The time by the clock of NATS. Before it is known: by that of this process."""
        if self._measured is None:
            return utc_now()
        at, when = self._measured
        return at + timedelta(seconds=time.monotonic() - when)

    @property
    def is_known(self) -> bool:
        """Whether it has been measured."""
        return self._measured is not None

    def set(self, at: datetime, when: float) -> None:
        """Sets the time that NATS had at a time of the monotonic clock."""
        self._measured = (at, when)

    def recorded(self, recorded_at: datetime) -> datetime:
        """When an event was recorded, by this clock; Postgres' clock gave `recorded_at`.

        An event is not from the future. `recorded_at` is, while Postgres' clock has been set back: it stands
        still then, because it never decreases. So the event counts as recorded just now.
        """
        if abs(self.postgres_offset) >= NOTABLE:
            recorded_at -= self.postgres_offset
        now = self.now()
        return now if recorded_at >= now + NOTABLE else recorded_at
