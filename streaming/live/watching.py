"""Following one table for all who watch it: one reading of what is new, however many they are.

Whoever writes the table signals how far it has come. The events in between say which rows they touched; these
are read in one snapshot with the table's position, and handed to every watch.
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

_LOOK_SECONDS = 1.0
"""After so long without a signal the table is looked at: a signal may have been lost."""
_PAUSE_SECONDS = 0.01
_READ_AGAIN_SECONDS = 0.25
"""How often the lists are read again, at most, where nobody can say which rows changed."""
_TOLD_AT_ONCE = 200


class Switched(CommanderError):
    """The projection is read from another table now."""


class Follower:
    """Tells watches what is new in a table, from `begin` until it is stopped, or ends by itself.

    position: up to where everybody has been told.
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

    @property
    def watched(self) -> bool:
        return bool(self._lists or self._by_key)

    def join(self, watch: RowWatch) -> None:
        """From now on the watch hears what is new."""
        (self._lists if watch.key is None else self._by_key[watch.key]).add(watch)

    def leave(self, watch: RowWatch) -> None:
        if watch.key is None:
            self._lists.discard(watch)
            return
        self._by_key[watch.key].discard(watch)
        if not self._by_key[watch.key]:
            del self._by_key[watch.key]

    async def begin(self) -> None:
        """Returns when whatever comes will be told. Raises Unavailable, TableGone."""
        async with self._beginning:
            if self._task is None:
                self.position = await checkpoint_of(self._database, self._table)
                self._task = asyncio.create_task(self._run())

    def stop(self) -> None:
        """For when nobody watches."""
        self.ended = True
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        try:
            await keep_running(self._follow, logger)
        except Exception as error:  # they learn what it was, and begin again where there is a table
            self.ended = True
            for watch in self._watches():
                watch.end(error)

    async def _follow(self) -> None:
        while True:
            await self._progress.beyond(self._table, self.position, _LOOK_SECONDS)
            serving = self._tables.get(self._table.projection.name)
            if serving is not None and serving.name != self._table.name:
                raise Switched(f"{self._table.projection.name} is read from {serving.name}")
            news = await changes_since(
                self._database, self._domain, self._table, self.position, tuple(self._by_key)
            )
            if news is not None:
                await self._tell(news)
            await asyncio.sleep(_PAUSE_SECONDS if news is None or news.complete else _READ_AGAIN_SECONDS)

    async def _tell(self, news: RowChanges) -> None:
        """Whoever joins meanwhile reads rows that are at least as new."""
        for n, watch in enumerate(list(self._lists)):
            if n % _TOLD_AT_ONCE == _TOLD_AT_ONCE - 1:
                await asyncio.sleep(0)
            watch.hear(news)
        for key in self._by_key.keys() & news.rows.keys():
            for watch in self._by_key[key]:
                watch.hear(news)
        self.position = news.position

    def _watches(self) -> list[RowWatch]:
        return [*self._lists, *(watch for watches in self._by_key.values() for watch in watches)]
