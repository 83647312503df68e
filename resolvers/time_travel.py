"""Rows as they were at a position, a time or a version; and all versions of a row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from commander.domain.checking import unusable_scalar
from commander.domain.errors import CommanderError, InvalidRequest
from commander.domain.time_travel import aggregate_behind, stream_of_row
from commander.eventstore.log.command_history import stream_version
from commander.eventstore.log.event_log import log_extent
from commander.eventstore.log.outcomes import known_outcomes
from commander.eventstore.projections.tables import Table
from commander.eventstore.projections.versions import Included, RowStream, RowVersion
from commander.eventstore.records import Outcome
from commander.resolvers.cursors import number_cursor_of, number_from
from commander.resolvers.events import Page
from commander.resolvers.numbered import number_walk, numbered_page
from commander.resolvers.services import Services

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class AsOf:
    """A point in the past: exactly one of the three is set. The events at that point are included."""

    position: int | None = None
    time: datetime | None = None
    version: int | None = None


@dataclass(frozen=True)
class PastRow:
    """A row at a point in the past, which is within the recorded history and no version.

    projection: its stored name.
    """

    projection: str
    key: Any
    as_of: AsOf


@dataclass(frozen=True)
class MadeVersion:
    """A version of a row, with the command that made its event."""

    version: RowVersion
    command: Outcome


async def row_as_of(services: Services, table: Table, key: Any, as_of: AsOf) -> RowVersion | None:
    """The version of the row that was the newest then. None if there was none.

    It is folded from the log, so it does not depend on the projection's table.
    Raises InvalidRequest for a version, position or time outside the recorded history.
    """
    source = _source(services, table, key)
    included = await _included(services, source, as_of)
    return None if unusable_scalar(source.stream) else await services.versions.at(source, included)


async def past_rows(
    services: Services, asked: Iterable[PastRow]
) -> dict[PastRow, RowVersion | CommanderError | None]:
    """The version of each row that was the newest then; None if there was none, the error of a failed fold.

    Each stream is read once.
    """
    streams: dict[tuple[str, Any, bool], list[PastRow]] = {}
    for one in asked:
        streams.setdefault((one.projection, one.key, one.as_of.time is None), []).append(one)
    found: dict[PastRow, RowVersion | CommanderError | None] = {}
    for (projection, key, _), wanted in streams.items():
        in_order = sorted(wanted, key=lambda one: (one.as_of.position or 0, one.as_of.time or _NEVER))
        try:
            found |= await _past_rows(services, projection, key, in_order)
        except CommanderError:
            for one in in_order:  # a fold that fails later does not fail earlier rows
                try:
                    found |= await _past_rows(services, projection, key, [one])
                except CommanderError as error:
                    found[one] = error
    return found


async def _past_rows(
    services: Services, projection: str, key: Any, in_order: Sequence[PastRow]
) -> dict[PastRow, RowVersion | None]:
    source = _source(services, services.tables[projection], key)
    points = [_up_to(one.as_of) for one in in_order]
    return dict(zip(in_order, await services.versions.at_each(source, points), strict=True))


async def versions_of_row(
    services: Services,
    table: Table,
    key: Any,
    *,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
) -> Page[MadeVersion]:
    """The versions of a row between two cursors, oldest first. Raises InvalidRequest."""
    source = _source(services, table, key)
    begin, end = (_number(table, *given) for given in (("after", after), ("before", before)))
    walk = number_walk(services, first, begin, last, end)

    async def read(low: int, high: int | None, limit: int, backwards: bool) -> list[RowVersion]:
        newest = await _newest(services, source)
        up_to = newest if high is None else min(high - 1, newest)
        begin = max(low, up_to - limit) if backwards else low
        if up_to <= begin:
            return []
        found = await services.versions.page(source, begin, min(limit, up_to - begin))
        return found[::-1] if backwards else found

    page = await numbered_page(read, walk)
    async with services.database.connection() as connection:
        made = await known_outcomes(connection, list({version.event.command_id for version in page.items}))
    items = [MadeVersion(version, made[version.event.command_id]) for version in page.items]
    return Page(items, more=page.more, earlier=page.earlier)


def _number(table: Table, argument: str, cursor: str | None) -> int | None:
    return None if cursor is None else number_from(argument, cursor, _list_name(table))


async def _newest(services: Services, source: RowStream) -> int:
    """The newest version of a stream; 0 if it has no events."""
    storable = unusable_scalar(source.stream) is None
    return await stream_version(services.database, source.stream) if storable else 0


def version_cursor_of(table: Table, version: RowVersion) -> str:
    """The cursor of a version in the versions of a row."""
    return number_cursor_of(_list_name(table), version.event.version)


def _list_name(table: Table) -> str:
    return f"{table.projection.name} history"


def _source(services: Services, table: Table, key: Any) -> RowStream:
    aggregate = aggregate_behind(services.domain, table.projection)
    assert aggregate is not None, "only projections with one aggregate have these fields"
    return RowStream(table, key, stream_of_row(aggregate, key))


async def _included(services: Services, source: RowStream, as_of: AsOf) -> Included:
    """A test of which events are included. Raises InvalidRequest, which gives the valid range."""
    position, time, version = as_of.position, as_of.time, as_of.version
    if version is not None:
        known = await _newest(services, source)
        if known == 0:
            raise InvalidRequest("asOf.version", f"the stream {source.stream} has no versions")
        if not 1 <= version <= known:
            raise InvalidRequest(
                "asOf.version", f"must be from 1 to {known}, the newest version; got {version}"
            )
        return lambda event: event.version <= version
    extent = await log_extent(services.database)
    if extent is None:
        raise InvalidRequest("asOf", "the log has no events yet")
    if position is not None:
        if not 1 <= position <= extent.head:
            allowed = f"must be from 1 to {extent.head}, the head of the log"
            raise InvalidRequest("asOf.position", f"{allowed}; got {position}")
        return _up_to(as_of)
    assert time is not None, "one of the three is set"
    if time.tzinfo is None:
        raise InvalidRequest("asOf.time", f"must have a time zone, like {extent.begin.isoformat()}")
    if not extent.begin <= time <= extent.now:
        begin, now = extent.begin.isoformat(), extent.now.isoformat()
        allowed = f"must be from {begin} (the first event of the log) to {now} (now)"
        raise InvalidRequest("asOf.time", f"{allowed}; got {time.isoformat()}")
    return _up_to(as_of)


def _up_to(as_of: AsOf) -> Included:
    """A test of which events are included at a position or a time."""
    position, time = as_of.position, as_of.time
    if position is not None:
        return lambda event: event.position <= position
    assert time is not None, "no version"
    return lambda event: event.recorded_at <= time
