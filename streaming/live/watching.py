"""Follows one table for all its watches. Each change is read once, however many watches there are.

The writer of the table signals its new position. The events in between tell which rows they touched. These
rows are read in one snapshot with the table's position, and given to every watch.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from commander.domain import Domain
from commander.domain.errors import CommanderError
from commander.eventstore.database import Database
from commander.eventstore.projections.live import RowChanges, changes_since, checkpoint_of
from commander.eventstore.projections.tables import Table
from commander.streaming.live.changes import RowWatch
from commander.streaming.projections.progress import ProjectionProgress
from commander.streaming.running import keep_running

logger = logging.getLogger("commander.live")

_POLL_SECONDS = 1.0
"""Without a signal for so long, the table is polled, because a signal may be lost."""
_PAUSE_SECONDS = 0.01
_REREAD_SECONDS = 0.25
"""The minimum pause between two reads of all lists, if the changed rows are unknown."""
_WATCHES_AT_ONCE = 200
_SHOW_SECONDS = 0.8
"""A watch without a change is shown the new position after so long, once for all moves of the table."""


class Switched(CommanderError):
    """Another table of the projection serves now."""


class Follower:
    """Gives the changes of a table to its watches, from `begin` until `stop` or an error.

    position: every watch has the changes up to it. ended: it gives no more changes.
    """

    def __init__(
        self,
        domain: Domain,
        database: Database,
        progress: ProjectionProgress,
        tables: Mapping[str, Table],
        table: Table,
    ) -> None:
        self.position = 0
        self.ended = False
        self._domain = domain
        self._database = database
        self._progress = progress
        self._tables = tables
        self._table = table
        self._lists: set[RowWatch] = set()
        self._by_key: defaultdict[Any, set[RowWatch]] = defaultdict(set)
        self._beginning = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._showing: asyncio.TimerHandle | None = None

    @property
    def watched(self) -> bool:
        """Whether there is a watch."""
        return bool(self._lists or self._by_key)

    def join(self, watch: RowWatch) -> None:
        """Adds a watch, which gets all changes from now on."""
        (self._lists if watch.key is None else self._by_key[watch.key]).add(watch)

    def leave(self, watch: RowWatch) -> None:
        """Removes a watch."""
        if watch.key is None:
            self._lists.discard(watch)
            return
        self._by_key[watch.key].discard(watch)
        if not self._by_key[watch.key]:
            del self._by_key[watch.key]

    def nudge(self) -> None:
        """Ends the waits of all watches."""
        for watch in self._watches():
            watch.nudge()

    async def begin(self) -> None:
        """Starts following, if it has not started. Raises Unavailable and TableGone."""
        async with self._beginning:
            if self._task is None:
                self.position = await checkpoint_of(self._database, self._table)
                self._task = asyncio.create_task(self._run())

    def stop(self) -> None:
        """Stops following. Call it when there is no watch left."""
        self.ended = True
        if self._task is not None:
            self._task.cancel()
        if self._showing is not None:
            self._showing.cancel()

    async def _run(self) -> None:
        try:
            await keep_running(self._follow, logger)
        except Exception as error:  # the watches get the error, and start again with the serving table
            self.ended = True
            for watch in self._watches():
                watch.end(error)

    async def _follow(self) -> None:
        while True:
            await self._progress.beyond(self._table, self.position, _POLL_SECONDS)
            serving = self._tables.get(self._table.projection.name)
            if serving is not None and serving.name != self._table.name:
                raise Switched(f"{self._table.projection.name} is read from {serving.name}")
            changes = await changes_since(
                self._database, self._domain, self._table, self.position, tuple(self._by_key)
            )
            if changes is not None:
                await self._publish(changes)
            await asyncio.sleep(_PAUSE_SECONDS if changes is None or changes.complete else _REREAD_SECONDS)

    async def _publish(self, changes: RowChanges) -> None:
        """Gives the changes to every watch. One that joins meanwhile reads rows that are at least as new."""
        for n, watch in enumerate(list(self._lists)):
            if n % _WATCHES_AT_ONCE == _WATCHES_AT_ONCE - 1:
                await asyncio.sleep(0)
            watch.receive(changes)
        for key in self._by_key.keys() & changes.rows.keys():
            for watch in self._by_key[key]:
                watch.receive(changes)
        self.position = changes.position
        if self._showing is None:
            self._showing = asyncio.get_running_loop().call_later(_SHOW_SECONDS, self._show_position)

    def _show_position(self) -> None:
        self._showing = None
        for watch in self._watches():
            watch.has_moved()

    def _watches(self) -> list[RowWatch]:
        return [*self._lists, *(watch for watches in self._by_key.values() for watch in watches)]
