"""Past rows: a projection's handlers fold the events of one stream, up to any of them.

Only the row's own stream is read, page by page. Past rows never change. So the rows at the ends of full pages
are cached, and the next query on a long stream begins at the nearest of them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import asyncpg
from msgspec.structs import replace

from commander.domain import Domain, ProjectionFailed
from commander.domain.errors import RAISED, timed_out
from commander.domain.source import raised
from commander.eventstore.database import Database
from commander.eventstore.log.event_log import read_stream
from commander.eventstore.projections.tables import Table
from commander.eventstore.records import RecordedEvent

_PAGE = 200
_STREAMS = 200
_ROWS_OF_A_STREAM = 64
_MOST_TIMED_OUT = 1000

Included = Callable[[RecordedEvent], bool]
"""Whether an event belongs to the requested past. If it does not, no later event does."""


class RowVersion(NamedTuple):
    """A row after an event; None if there was none or the event removed it."""

    event: RecordedEvent
    row: Any | None


@dataclass(frozen=True)
class RowStream:
    """The source of one row's versions: the row's key, and the stream whose events give the row."""

    table: Table
    key: Any
    stream: str


class RowVersions:
    """Past rows of all projections. streams: the maximum of streams in the cache."""

    def __init__(self, domain: Domain, database: Database, streams: int = _STREAMS) -> None:
        self._domain = domain
        self._database = database
        self._streams = streams
        self._known: OrderedDict[tuple[str, str], list[RowVersion]] = OrderedDict()
        self._timed_out: OrderedDict[tuple[str, int], str] = OrderedDict()

    async def at(self, source: RowStream, included: Included) -> RowVersion | None:
        """The version after the last included event; None if there was none.

        Raises UndecodableEvent, ProjectionFailed and Unavailable.
        """
        [found] = await self.at_each(source, [included])
        return found

    async def at_each(self, source: RowStream, points: Sequence[Included]) -> list[RowVersion | None]:
        """As `at`, for each of these points, from the earliest to the latest. The stream is read once."""
        found: list[RowVersion | None] = []
        last: RowVersion | None = None
        async for version in self._from(source, points[0], points[-1]):
            while not points[len(found)](version.event):
                found.append(last)
            last = version
        found += [last] * (len(points) - len(found))
        stored = iter(await self._as_stored(source.table, [one for one in found if one is not None]))
        return [None if one is None else next(stored) for one in found]

    async def page(self, source: RowStream, after_version: int, limit: int) -> list[RowVersion]:
        """The versions after `after_version`, oldest first, at most `limit`. Raises as `at` does."""
        last = after_version + limit
        versions = self._from(source, lambda e: e.version <= after_version, lambda e: e.version <= last)
        found = [version async for version in versions if version.event.version > after_version]
        return await self._as_stored(source.table, found)

    async def _from(
        self, source: RowStream, begin: Included, included: Included
    ) -> AsyncIterator[RowVersion]:
        """The included versions.

        They begin with the last cached version in `begin`, or with the first event.
        """
        cached = self._known.get((source.table.name, source.stream), [])
        before = [version for version in cached if begin(version.event)]
        version, row = 0, None
        if before:
            self._known.move_to_end((source.table.name, source.stream))
            yield before[-1]
            version, row = before[-1].event.version, before[-1].row
        while page := await read_stream(self._database, source.stream, version, _PAGE):
            for event in page:
                if not included(event):
                    return
                row = self._after(source, row, event)
                yield RowVersion(event, row)
            version = page[-1].version
            if len(page) < _PAGE:
                return
            self._remember(source, RowVersion(page[-1], row))

    def _after(self, source: RowStream, row: Any | None, event: RecordedEvent) -> Any | None:
        """The row after an event. An event whose handler did not return in time is not tried again."""
        place = (source.table.projection.name, event.position)
        if place in self._timed_out:
            raise ProjectionFailed(*place, event.type, self._timed_out[place])
        try:
            return self._applied(source, row, event)
        except RAISED as error:
            if timed_out(error):
                self._timed_out[place] = getattr(error, "reason", str(error))
                if len(self._timed_out) > _MOST_TIMED_OUT:
                    self._timed_out.popitem(last=False)
            raise

    def _applied(self, source: RowStream, row: Any | None, event: RecordedEvent) -> Any | None:
        projection = source.table.projection
        type_ = self._domain.event_type(event.type)
        if type_ is None or type_.cls not in projection.handlers:
            return row
        instance = self._domain.decode(event.type, event.schema_version, event.data, event.position)
        if projection.handlers[type_.cls].keys(instance) != (source.key,):
            reason = f"it is in the stream {source.stream}, but its {projection.key} is that of another row"
            raise ProjectionFailed(projection.name, event.position, event.type, reason)
        try:
            changed = projection.apply(row, instance, source.key)
        except RAISED as error:  # whatever the domain's code raises
            raise ProjectionFailed(projection.name, event.position, event.type, raised(error)) from error
        if changed is None:
            return None
        if not isinstance(changed, projection.cls) or getattr(changed, projection.key) != source.key:
            reason = f"it did not return the {projection.cls.__name__} of this {projection.key}"
            raise ProjectionFailed(projection.name, event.position, event.type, reason)
        return changed

    def _remember(self, source: RowStream, version: RowVersion) -> None:
        """Caches the row at the end of a page. If a stream has too many, every second one is evicted.

        If there are too many streams, the least recently used one is evicted.
        """
        known = self._known.setdefault((source.table.name, source.stream), [])
        if known and known[-1].event.version >= version.event.version:
            return
        known.append(RowVersion(replace(version.event, data=""), version.row))
        if len(known) > _ROWS_OF_A_STREAM:
            del known[::2]
        while len(self._known) > self._streams:
            self._known.popitem(last=False)

    async def _as_stored(self, table: Table, versions: Sequence[RowVersion]) -> list[RowVersion]:
        """The rows as the projection's table would return them: Postgres changes the form of some values."""
        rows = [version.row for version in versions if version.row is not None]
        try:
            records = await self._database.fetch(table.as_stored, *table.columns_of(rows)) if rows else []
        except (ValueError, TypeError, AttributeError, ArithmeticError, asyncpg.DataError) as error:
            if len(versions) > 1:
                return [one for version in versions for one in await self._as_stored(table, [version])]
            [(event, _)] = versions
            name = table.projection.name
            raise ProjectionFailed(name, event.position, event.type, str(error)) from error
        stored = iter(table.row_of(record) for record in records)
        return [RowVersion(event, None if row is None else next(stored)) for event, row in versions]
