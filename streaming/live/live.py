"""Rows as they change, for subscribers: what there is, then each change, with cursors to go on behind.

Why no change is lost: a follower begins at a position p of its table before a watch that joined it reads its
rows, so these are the rows of a position s >= p. It then tells of everything between p and q, q and r, and so
on; what is told up to s the watch drops, and the rest follows s without a gap.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from commander.domain import Domain
from commander.domain.errors import InvalidRequest, Unavailable
from commander.eventstore.database import Database
from commander.eventstore.projections.filters import Filter
from commander.eventstore.projections.live import Matching, matching_rows
from commander.eventstore.projections.serving import TableGone
from commander.eventstore.projections.tables import Table
from commander.streaming.live.changes import Change, Cursor, Kind, LiveItem, RowWatch, cursor_in
from commander.streaming.live.watching import Follower, Switched
from commander.streaming.projections.progress import ProjectionProgress

_RETRY_SECONDS = 0.5
_READERS = 2
"""How many watches read their rows at a time: others want connections too."""
_FEW = 100


class Live:
    """The followers of this process. max_rows: how many rows a live list may have."""

    def __init__(
        self,
        domain: Domain,
        database: Database,
        progress: ProjectionProgress,
        tables: Mapping[str, Table],
        *,
        max_rows: int = 1000,
        heartbeat_seconds: float = 15,
    ) -> None:
        self._domain = domain
        self._database = database
        self._progress = progress
        self._tables = tables
        self._max_rows = max_rows
        self._heartbeat_seconds = heartbeat_seconds
        self._followers: dict[str, Follower] = {}
        self._reading = asyncio.Semaphore(_READERS)

    @property
    def watched(self) -> int:
        """How many tables are followed."""
        return len(self._followers)

    async def follow(
        self, name: str, where: Filter, key: Any | None = None, after: Cursor | None = None
    ) -> AsyncGenerator[LiveItem, None]:
        """The rows that match, then their changes as they come; while there are none, now and then how far.

        key: of the one row that can match, if it is known. after: goes on behind this cursor, with what was
        touched since; with a snapshot where that is less, or cannot be told. A snapshot comes again when the
        projection is read from another table. Raises ProjectionBuilding, TooManyRows, InvalidRequest for a
        cursor beyond the log, and Unavailable if Postgres is away at the beginning; later it waits.
        """
        begun = False
        while True:
            table = self._tables[name]
            try:
                async with aclosing(self._follow(table, where, key, after)) as items:
                    async for item in items:
                        begun = True
                        yield item
            except Switched:
                pass
            except Unavailable:
                if not begun:
                    raise
                await asyncio.sleep(_RETRY_SECONDS)
            except TableGone:
                await self._another(name, table)
            after = None

    async def _follow(
        self, table: Table, where: Filter, key: Any | None, after: Cursor | None
    ) -> AsyncGenerator[LiveItem, None]:
        watch = RowWatch(where, table.projection.key, self._max_rows, key)
        follower = self._join(table, watch)
        try:
            await follower.begin()
            item = await self._beginning(watch, table, where, after)
            told = item.cursor.position
            yield item
            while True:
                changes: list[Change] = []
                heard = await watch.hears(self._heartbeat_seconds)
                if watch.ended is not None:
                    raise watch.ended
                if not heard:
                    position = max(watch.position, follower.position)
                elif watch.must_read:
                    position, changes = await self._read_again(watch, table, where)
                else:
                    position, changes = watch.position, watch.take()
                if changes or (not heard and position > told):
                    told = position
                    yield LiveItem(cursor_in(table, position), False, changes)
        finally:
            self._leave(table, follower, watch)

    async def _beginning(
        self, watch: RowWatch, table: Table, where: Filter, after: Cursor | None
    ) -> LiveItem:
        behind = None
        if after is not None and after == cursor_in(table, after.position):
            behind = after.position
        watch.begin_reading()
        found = await self._read(table, where, behind)
        if after is not None and after.position > found.head:
            problem = f"the log ends at position {found.head}; {after.position} is beyond it"
            raise InvalidRequest("after", problem)
        changes = watch.read(found)
        cursor = cursor_in(table, found.position)
        if watch.key is not None or found.touched is None or len(found.touched) > max(_FEW, len(changes)):
            return LiveItem(cursor, True, changes)
        rows = {change.key: change.row for change in changes}
        since = [
            Change(Kind.CHANGED, key, rows[key]) if key in rows else Change(Kind.LEFT, key, None)
            for key in found.touched
        ]
        return LiveItem(cursor, False, since)

    async def _read_again(self, watch: RowWatch, table: Table, where: Filter) -> tuple[int, list[Change]]:
        """What differs from what was told, and up to where; waits while Postgres is away."""
        while True:
            watch.begin_reading()
            try:
                found = await self._read(table, where)
            except Unavailable:
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return found.position, watch.read(found)

    async def _read(self, table: Table, where: Filter, after: int | None = None) -> Matching:
        async with self._reading:
            return await matching_rows(self._database, self._domain, table, where, self._max_rows, after)

    async def _another(self, name: str, table: Table) -> None:
        """Returns when the projection is read from another table than this one, which is gone."""
        while True:
            now = self._tables.get(name)
            if now is None or now.name != table.name:
                return
            await asyncio.sleep(_RETRY_SECONDS)

    def _join(self, table: Table, watch: RowWatch) -> Follower:
        follower = self._followers.get(table.name)
        if follower is None or follower.ended:
            follower = Follower(self._domain, self._database, self._progress, self._tables, table)
            self._followers[table.name] = follower
        follower.join(watch)
        return follower

    def _leave(self, table: Table, follower: Follower, watch: RowWatch) -> None:
        follower.leave(watch)
        if not follower.watched:
            follower.stop()
            if self._followers.get(table.name) is follower:
                del self._followers[table.name]
