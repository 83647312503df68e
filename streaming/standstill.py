"""Whether what this process shows of the log moves with it, or stands still, and since when.

It stands still while Postgres or NATS is unreachable, and while it is behind the log and does not move: the
writer of a projection has stopped, or events do not reach this process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from commander.domain.errors import Unavailable
from commander.eventstore.circuits import Circuit
from commander.eventstore.projections.folding import Stopped
from commander.streaming.projections.progress import ProjectionProgress

_POLL_SECONDS = 1.0
_STILL_POLLS = 3
"""After so many polls at which it is behind and has not moved, it stands still."""
_OUTAGE_SECONDS = 2.0
"""A shorter outage is not shown."""


class Standing(NamedTuple):
    """since: until then it showed all that there was, as far as is known (UTC).

    stopped: the event that the projection cannot fold, if that is why.
    """

    since: datetime
    reason: str
    stopped: Stopped | None = None


@dataclass(frozen=True)
class Followed:
    """Something that follows the log.

    seen_at: when it was last at the head, or moved. still: at how many polls since it was neither.
    """

    position: int
    seen_at: datetime
    still: int = 0

    @property
    def stands_still(self) -> bool:
        """Whether it is behind and does not move."""
        return self.still >= _STILL_POLLS


class Standstill:
    """Polls the log, the feed and the tables that are read. circuits: of the servers that all need."""

    def __init__(
        self, progress: ProjectionProgress, circuits: Sequence[Circuit], projections: Iterable[str]
    ) -> None:
        self._progress = progress
        self._circuits = circuits
        self._projections = tuple(projections)
        self._callbacks: list[Callable[[], None]] = []
        self._events: Followed | None = None
        self._tables: dict[str, Followed] = {}
        self._outage: Standing | None = None

    def of_events(self) -> Standing | None:
        """Why events stand still; None if they do not."""
        if self._outage is not None or self._events is None or not self._events.stands_still:
            return self._outage
        at, head = self._events.position, self._progress.head
        return Standing(
            self._events.seen_at, f"the events after position {at} do not arrive; the log ends at {head}"
        )

    def of_rows(self, projection: str) -> Standing | None:
        """Why the rows of a projection stand still; None if they do not."""
        found = self._tables.get(projection)
        if self._outage is not None or found is None:
            return self._outage
        if (stopped := self._progress.stopped(projection)) is not None:
            return Standing(found.seen_at, f"the projection {projection} has {stopped}", stopped)
        if not found.stands_still:
            return None
        at, head = found.position, self._progress.head
        return Standing(
            found.seen_at, f"the projection {projection} stays at position {at}; the log ends at {head}"
        )

    def on_change(self, callback: Callable[[], None]) -> None:
        """Calls `callback` when something begins to stand still, or to move."""
        self._callbacks.append(callback)

    async def run(self, feed_position: Callable[[], int | None]) -> None:
        """Polls until cancelled. feed_position: None while nobody follows events."""
        shown = self._shown()
        while True:
            try:
                async with asyncio.timeout(_POLL_SECONDS):
                    await self._progress.refresh()
            except (Unavailable, TimeoutError):
                pass  # nothing is known about the log; if the server is at fault, its circuit says so
            else:
                self._take(feed_position())
            self._outage = self._current_outage()
            if self._shown() != shown:
                shown = self._shown()
                for callback in self._callbacks:
                    callback()
            await asyncio.sleep(_POLL_SECONDS)

    def _take(self, feed_position: int | None) -> None:
        now = datetime.now(UTC)
        head = self._progress.head
        self._events = None if feed_position is None else polled(self._events, feed_position, head, now)
        for name in self._projections:
            self._tables[name] = polled(self._tables.get(name), self._progress.position_of(name), head, now)

    def _current_outage(self) -> Standing | None:
        for circuit in self._circuits:
            outage = circuit.unreachable
            if outage is not None and datetime.now(UTC) - outage.since > timedelta(seconds=_OUTAGE_SECONDS):
                return Standing(outage.since, f"{circuit.service} is {outage.shown}")
        return None

    def _shown(self) -> Mapping[str, datetime | None]:
        """Since when what stands still: it changes when a subscriber is to be told."""
        standing = {"": self.of_events(), **{name: self.of_rows(name) for name in self._projections}}
        return {name: None if one is None else one.since for name, one in standing.items()}


def polled(before: Followed | None, position: int, head: int, now: datetime) -> Followed:
    """What is known of it after another poll. before: after the last one; None at the first."""
    if before is None or position >= head or position != before.position:
        return Followed(position, now)
    return Followed(position, before.seen_at, before.still + 1)
