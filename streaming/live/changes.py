"""The changes that a subscriber of rows is sent, and the state that is kept for it.

    reading its rows ─► listening ─► reading its rows …     (again, if the changed rows are unknown)

Of the rows that were sent, only the key and a digest are kept; of the pending changes, the newest row of each
key. So the memory of a subscriber is limited by its list, however slowly it reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from commander.domain.filters import Filter, matches
from commander.eventstore.projections.live import Matching, RowChanges, TooManyRows
from commander.eventstore.projections.tables import Table
from commander.streaming.standstill import Standing

_MOST_BUFFERED = 50
"""The maximum of changes that are buffered while the rows are read."""


class Kind(Enum):
    """The kind of a change in a live list."""

    ENTERED = "ENTERED"
    """The row matches now, and did not before."""
    CHANGED = "CHANGED"
    """The row has changed, and still matches."""
    LEFT = "LEFT"
    """The row no longer matches, or was removed."""


class Change(NamedTuple):
    """A change of a row. row: its current value; None if it left the list."""

    kind: Kind
    key: Any
    row: Any | None


class Cursor(NamedTuple):
    """A place in the changes of one table. Another table may have other rows at the same position.

    table: identifies the table; empty if unknown. epoch: that of the log, in a cursor that a client sends.
    """

    position: int
    table: str = ""
    epoch: int = 1


def cursor_in(table: Table, position: int) -> Cursor:
    """The cursor of a table at a position. Every table's name ends with eight unique hexadecimal digits."""
    return Cursor(position, table.name[-8:])


@dataclass(frozen=True)
class LiveItem:
    """An item of live rows.

    snapshot: `changes` are all rows, and replace everything sent before. If it is false, they are the changes
    since the last item, or since the client's cursor.
    standing: why the rows stand still; None if they do not.
    """

    cursor: Cursor
    snapshot: bool
    changes: Sequence[Change]
    standing: Standing | None = None


class RowWatch:
    """One subscriber's view of a table. key: that of the one row it watches; None for a list.

    most: the maximum of rows in a list, and of pending changes. moved: the table has moved, with or without a
    change of these rows.
    """

    def __init__(self, where: Filter, key_name: str, most: int, key: Any | None = None) -> None:
        self.key = key
        self.position = 0
        self.must_read = True
        self.moved = False
        self.ended: BaseException | None = None
        self._where = where
        self._key_name = key_name
        self._most = most
        self._sent: dict[Any, int] = {}
        self._pending: dict[Any, Any] = {}
        self._buffered: list[RowChanges] | None = None  # the changes that arrive while the rows are read
        self._ready = asyncio.Event()

    def receive(self, received: RowChanges) -> None:
        """Takes changes of the table. Changes older than the subscriber's rows are dropped."""
        if self._buffered is None:
            self._take(received)
        elif len(self._buffered) < _MOST_BUFFERED:
            self._buffered.append(received)
        else:  # too many: drop them and read the rows again
            self._buffered = [RowChanges(received.position, {}, complete=False)]

    def end(self, reason: BaseException) -> None:
        """Ends the watch: this table sends no more changes."""
        self.ended = reason
        self._ready.set()

    def has_moved(self) -> None:
        """Ends the wait, because the table has moved."""
        self.moved = True
        self._ready.set()

    def nudge(self) -> None:
        """Ends the wait."""
        self._ready.set()

    async def wait(self, timeout_seconds: float) -> bool:
        """Waits until there may be something to send. Returns False after the timeout."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._ready.wait()
        except TimeoutError:
            pass
        ready = self._ready.is_set()  # it may be set at the moment of the timeout
        self._ready.clear()
        return ready

    def begin_reading(self) -> None:
        """Buffers changes from now on, until `read` gets the rows."""
        self._buffered = []
        self._pending = {}
        self.must_read = False

    def read(self, found: Matching) -> list[Change]:
        """Takes the current rows. Returns how they differ from the rows that were sent."""
        rows = {getattr(row, self._key_name): row for row in found.rows}
        changes = [Change(Kind.LEFT, key, None) for key in self._sent if key not in rows]
        digests = {key: _digest(row) for key, row in rows.items()}
        for key, row in rows.items():
            if key not in self._sent:
                changes.append(Change(Kind.ENTERED, key, row))
            elif self._sent[key] != digests[key]:
                changes.append(Change(Kind.CHANGED, key, row))
        self._sent = digests
        self.position = found.position
        buffered, self._buffered = self._buffered or [], None
        for received in buffered:
            self._take(received)
        return changes

    def take(self) -> list[Change]:
        """The changes since the last call. Raises TooManyRows."""
        pending, self._pending = self._pending, {}
        changes = []
        for key, row in pending.items():
            if row is None or not matches(self._where, row):
                if self._sent.pop(key, None) is not None:
                    changes.append(Change(Kind.LEFT, key, None))
                continue
            before, now = self._sent.get(key), _digest(row)
            self._sent[key] = now
            if before != now:
                changes.append(Change(Kind.ENTERED if before is None else Kind.CHANGED, key, row))
        if len(self._sent) > self._most:
            raise TooManyRows(self._most)
        return changes

    def _take(self, received: RowChanges) -> None:
        if received.position <= self.position:
            return
        self.position = received.position
        if self.key is not None:
            if self.key in received.rows:
                self._pending[self.key] = received.rows[self.key]
            else:
                self.must_read |= not received.complete
        elif not received.complete:
            self.must_read = True
        elif not self.must_read:
            for key, row in received.rows.items():
                if key in self._sent or (row is not None and matches(self._where, row)):
                    self._pending[key] = row
                else:
                    self._pending.pop(key, None)
            self.must_read = len(self._pending) > self._most
        if self.must_read:
            self._pending = {}
        if self._pending or self.must_read:
            self._ready.set()


class LinkedWatch(RowWatch):
    """One subscriber's view of a list whose filter follows links. Changes of several tables are received.

    A row in memory does not show whether it matches. So the rows are read again after each change of one of
    the tables. position: every table shows it.
    """

    def _take(self, received: RowChanges) -> None:
        if received.position > self.position and (received.rows or not received.complete):
            self.must_read = True
            self._ready.set()


def _digest(row: Any) -> int:
    return hash(repr(row))
