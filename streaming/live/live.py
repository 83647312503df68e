"""Live rows for subscribers: the current rows, then each change, with cursors to resume from.

Why no change is lost: a follower starts at a position p of its table before a watch that joined it reads its
rows. So these rows are those of a position s >= p. The follower then sends all changes between p and q, q and
r, and so on. The watch drops changes up to s, and the rest follows s without a gap.

A watch whose filter follows links joins the follower of each table that it reads. One snapshot shows all of
them. Changes beyond it, of any of them, have the rows read again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from commander.domain import Domain
from commander.domain.errors import InvalidRequest, Unavailable
from commander.domain.filters import Filter, projections_of
from commander.eventstore.database import Database
from commander.eventstore.projections.conditions import Tables
from commander.eventstore.projections.live import Matching, matching_rows
from commander.eventstore.projections.serving import TableGone
from commander.eventstore.projections.tables import Table
from commander.streaming.live.changes import Change, Cursor, Kind, LinkedWatch, LiveItem, RowWatch, cursor_in
from commander.streaming.live.watching import Follower, Switched
from commander.streaming.projections.progress import ProjectionProgress
from commander.streaming.standstill import Standing, Standstill

_RETRY_SECONDS = 0.5
_READERS = 2
"""The maximum of watches that read their rows at a time, so that connections are left for others."""
_LINKED_PAUSE_SECONDS = 0.25
"""The minimum pause between two reads of a list whose filter follows links."""
_FEW = 100


class Live:
    """The live rows of this process.

    max_rows: the maximum of rows in a live list. standstill: finds out whether rows stand still; None: they
    never seem to.
    """

    def __init__(
        self,
        domain: Domain,
        database: Database,
        progress: ProjectionProgress,
        tables: Mapping[str, Table],
        *,
        max_rows: int = 1000,
        heartbeat_seconds: float = 15,
        standstill: Standstill | None = None,
    ) -> None:
        self._domain = domain
        self._database = database
        self._progress = progress
        self._tables = tables
        self._max_rows = max_rows
        self._heartbeat_seconds = heartbeat_seconds
        self._followers: dict[str, Follower] = {}
        self._reading = asyncio.Semaphore(_READERS)
        self._standstill = standstill
        if standstill is not None:
            standstill.on_change(self._nudge_all)

    @property
    def watched(self) -> int:
        """How many tables are followed."""
        return len(self._followers)

    async def follow(
        self, name: str, where: Filter, key: Any | None = None, after: Cursor | None = None
    ) -> AsyncGenerator[LiveItem, None]:
        """The matching rows, then their changes.

        Without changes, an empty item with the position within a second after the table has passed it. Also
        one when the rows begin to stand still, and when they move again.

        key: the key of the one row that can match, if it is known. after: resumes after this cursor, with the
        rows that changed since; with a snapshot if that is smaller or the changed rows are unknown, as they
        are if the filter follows links. When
        another table serves, a snapshot is sent again. Raises ProjectionBuilding, TooManyRows, InvalidRequest
        for a cursor beyond the log, and Unavailable if Postgres cannot be reached at the start; later it
        retries.
        """
        last: LiveItem | None = None
        while True:
            table = self._tables[name]
            linked = {one: self._tables[one] for one in projections_of(where)}
            try:
                async with aclosing(self._follow(table, linked, where, key, after)) as items:
                    async for item in items:
                        last = item
                        yield item
            except Switched:
                pass
            except Unavailable:
                if last is None:
                    raise
                standing = self._standing(table, linked)
                if standing is not None and last.standing is None:
                    last = LiveItem(last.cursor, False, (), standing)
                    yield last
                await asyncio.sleep(_RETRY_SECONDS)
            except TableGone:  # soon another one serves, or this one is made
                await asyncio.sleep(_RETRY_SECONDS)
            after = None

    async def _follow(
        self, table: Table, linked: Tables, where: Filter, key: Any | None, after: Cursor | None
    ) -> AsyncGenerator[LiveItem, None]:
        watch = (
            LinkedWatch(where, table.projection.key, self._max_rows)
            if linked
            else RowWatch(where, table.projection.key, self._max_rows, key)
        )
        tables = {one.name: one for one in (table, *linked.values())}.values()
        followers = [self._join(one, watch) for one in tables]
        try:
            for follower in followers:
                await follower.begin()
            item = await self._beginning(watch, table, linked, where, after)
            sent, standing = item.cursor.position, self._standing(table, linked)
            yield replace(item, standing=standing)
            while True:
                changes: list[Change] = []
                ready = await watch.wait(self._heartbeat_seconds)
                if watch.ended is not None:
                    raise watch.ended
                moved, watch.moved = watch.moved or not ready, False
                if ready and watch.must_read:
                    position, changes = await self._reread(watch, table, linked, where, sent)
                else:
                    changes = watch.take() if ready else []
                    position = max(watch.position, min(one.position for one in followers))
                before, standing = standing, self._standing(table, linked)
                turned = (before and before.since) != (standing and standing.since)
                passed = moved and position > sent
                if changes or turned or passed or (not ready and standing is not None):
                    sent = max(sent, position)
                    yield LiveItem(cursor_in(table, sent), False, changes, standing)
                if linked:
                    await asyncio.sleep(_LINKED_PAUSE_SECONDS)
        finally:
            for one, follower in zip(tables, followers, strict=True):
                self._leave(one, follower, watch)

    async def _beginning(
        self, watch: RowWatch, table: Table, linked: Tables, where: Filter, after: Cursor | None
    ) -> LiveItem:
        behind = None
        if after is not None and after == cursor_in(table, after.position):
            behind = after.position
        watch.begin_reading()
        found = await self._read(table, linked, where, behind)
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

    async def _reread(
        self, watch: RowWatch, table: Table, linked: Tables, where: Filter, sent: int
    ) -> tuple[int, list[Change]]:
        """Reads the rows again.

        Returns their position and changes. While Postgres is unreachable: none, and it must read again.
        """
        watch.begin_reading()
        try:
            found = await self._read(table, linked, where)
        except Unavailable:
            await asyncio.sleep(_RETRY_SECONDS)
            watch.must_read = True
            watch.nudge()
            return sent, []
        return found.position, watch.read(found)

    def _standing(self, table: Table, linked: Tables) -> Standing | None:
        if self._standstill is None:
            return None
        found = map(self._standstill.of_rows, (table.projection.name, *linked))
        return next((one for one in found if one is not None), None)

    def _nudge_all(self) -> None:
        for follower in self._followers.values():
            follower.nudge()

    async def _read(self, table: Table, linked: Tables, where: Filter, after: int | None = None) -> Matching:
        async with self._reading:
            return await matching_rows(
                self._database, self._domain, table, where, self._max_rows, after, linked
            )

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
