"""What a subscriber of rows is told, and what of it is kept for the next time.

    reading its rows ─► told ─► reading its rows …     (again, where it cannot be said which rows changed)

Of what was told only the keys are kept, each with a digest of its row; of what is still to be told, the
newest row of each key. So a subscriber costs what its list costs, however slowly it reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from commander.eventstore.projections.filters import Filter, matches
from commander.eventstore.projections.live import Matching, News, TooManyRows
from commander.eventstore.projections.tables import Table

_MOST_EARLY = 50
"""How much news is kept that comes while the rows are being read."""


class Kind(Enum):
    """What became of a row in a live list."""

    ENTERED = "ENTERED"
    CHANGED = "CHANGED"
    LEFT = "LEFT"


class Change(NamedTuple):
    """row: as it is now; None if it has left."""

    kind: Kind
    key: Any
    row: Any | None


class Cursor(NamedTuple):
    """Up to where a table's news was told. Another table's state at the same position may be another.

    table: which one it is; empty where it is not known.
    """

    position: int
    table: str = ""


def cursor_in(table: Table, position: int) -> Cursor:
    """The name of every table ends with eight hexadecimal digits of its own."""
    return Cursor(position, table.name[-8:])


@dataclass(frozen=True)
class LiveItem:
    """snapshot: `changes` are all rows that there are; what was told before does not count any more.

    Otherwise what has changed since the item before, or since the cursor that was given.
    """

    cursor: Cursor
    snapshot: bool
    changes: Sequence[Change]


class RowWatch:
    """One subscriber's view of a table. key: of the one row it looks at; None for a list.

    most: how many rows a list may have, and how many changes are kept for it.
    """

    def __init__(self, where: Filter, key_name: str, most: int, key: Any | None = None) -> None:
        self.key = key
        self.position = 0
        self.must_read = True
        self.ended: BaseException | None = None
        self._where = where
        self._key_name = key_name
        self._most = most
        self._told: dict[Any, int] = {}
        self._pending: dict[Any, Any] = {}
        self._early: list[News] | None = None  # what comes while the rows are being read
        self._heard = asyncio.Event()

    def hear(self, news: News) -> None:
        """Takes news; what is older than its rows is dropped."""
        if self._early is None:
            self._take(news)
        elif len(self._early) < _MOST_EARLY:
            self._early.append(news)
        else:  # all of it is forgotten: the rows are read once more
            self._early = [News(news.position, {}, complete=False)]

    def end(self, reason: BaseException) -> None:
        """There will be no more news of this table."""
        self.ended = reason
        self._heard.set()

    async def hears(self, timeout_seconds: float) -> bool:
        """Waits until there may be something to be told; False when the time is up before."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._heard.wait()
        except TimeoutError:
            pass
        heard = self._heard.is_set()  # it may have been, just when the time was up
        self._heard.clear()
        return heard

    def begin_reading(self) -> None:
        """From now on news is kept until the rows are there."""
        self._early = []
        self._pending = {}
        self.must_read = False

    def read(self, found: Matching) -> list[Change]:
        """Takes the rows as they are now; what is new in them."""
        rows = {getattr(row, self._key_name): row for row in found.rows}
        changes = [Change(Kind.LEFT, key, None) for key in self._told if key not in rows]
        digests = {key: _digest(row) for key, row in rows.items()}
        for key, row in rows.items():
            if key not in self._told:
                changes.append(Change(Kind.ENTERED, key, row))
            elif self._told[key] != digests[key]:
                changes.append(Change(Kind.CHANGED, key, row))
        self._told = digests
        self.position = found.position
        early, self._early = self._early or [], None
        for news in early:
            self._take(news)
        return changes

    def take(self) -> list[Change]:
        """What has changed since the last time. Raises TooManyRows."""
        pending, self._pending = self._pending, {}
        changes = []
        for key, row in pending.items():
            if row is None or not matches(self._where, row):
                if self._told.pop(key, None) is not None:
                    changes.append(Change(Kind.LEFT, key, None))
                continue
            before, now = self._told.get(key), _digest(row)
            self._told[key] = now
            if before != now:
                changes.append(Change(Kind.ENTERED if before is None else Kind.CHANGED, key, row))
        if len(self._told) > self._most:
            raise TooManyRows(self._most)
        return changes

    def _take(self, news: News) -> None:
        if news.position <= self.position:
            return
        self.position = news.position
        if self.key is not None:
            if self.key in news.rows:
                self._pending[self.key] = news.rows[self.key]
            else:
                self.must_read |= not news.complete
        elif not news.complete:
            self.must_read = True
        elif not self.must_read:
            for key, row in news.rows.items():
                if key in self._told or (row is not None and matches(self._where, row)):
                    self._pending[key] = row
                else:
                    self._pending.pop(key, None)
            self.must_read = len(self._pending) > self._most
        if self.must_read:
            self._pending = {}
        if self._pending or self.must_read:
            self._heard.set()


def _digest(row: Any) -> int:
    return hash(repr(row))
