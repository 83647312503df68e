"""Indexes of the log: what is derived from it and kept up by each append: unique keys, and tags of events.

An index is built beside appends, and active from the moment that it has all of the log. From then on every
append keeps it up, and no code appends that does not know it; see lock_log_if() in schema.sql.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from commander.domain.errors import CommanderError
from commander.eventstore.database import Connection, reaching_postgres
from commander.eventstore.log.conditions import Key
from commander.eventstore.records import RecordedEvent
from commander.eventstore.sql import statement

_READ_TAGGED = statement("read_tagged")


class IndexDropped(CommanderError):
    """An index was dropped while it was built. Begin again."""


class LogIndex(NamedTuple):
    """An index. fingerprint: of the code that derives it. position: how far it has been built."""

    id: int
    name: str
    fingerprint: str
    position: int
    active: bool


class Duplicate(NamedTuple):
    """A key that several streams have."""

    key: str
    streams: tuple[str, ...]


async def begin_index(connection: Connection, name: str, fingerprint: str) -> LogIndex:
    """The index of this name and code; it is made if there is none."""
    with reaching_postgres(connection):
        await connection.execute(
            "insert into log_indexes (name, fingerprint) values ($1, $2) on conflict do nothing",
            name,
            fingerprint,
        )
        row = await connection.fetchrow(
            """select id, name, fingerprint, position, active from log_indexes
               where name = $1 and fingerprint = $2""",
            name,
            fingerprint,
        )
    assert row is not None, "it was made"
    return LogIndex(*row)


async def active_indexes(connection: Connection) -> list[LogIndex]:
    """The indexes that every append keeps up."""
    with reaching_postgres(connection):
        rows = await connection.fetch(
            "select id, name, fingerprint, position, active from log_indexes where active order by id"
        )
    return [LogIndex(*row) for row in rows]


async def holders_of(connection: Connection, keys: Collection[Key]) -> dict[Key, str]:
    """The streams that hold these keys. A key that none holds is missing."""
    if not keys:
        return {}
    with reaching_postgres(connection):
        rows = await connection.fetch(
            """select index_id, key, stream from unique_keys
               join unnest($1::int[], $2::text[]) as c (index_id, key) using (index_id, key)""",
            [index for index, _ in keys],
            [key for _, key in keys],
        )
    return {(row["index_id"], row["key"]): row["stream"] for row in rows}


async def replace_keys(
    connection: Connection, index: int, keys: Mapping[str, Iterable[str]], position: int
) -> None:
    """Sets the keys of these streams in an index that is being built. It then has the log up to position.

    Raises IndexDropped.
    """
    pairs = [(key, stream) for stream, held in keys.items() for key in held]
    with reaching_postgres(connection):
        async with connection.transaction():
            await connection.execute(
                "delete from unique_keys where index_id = $1 and stream = any($2)", index, [*keys]
            )
            await connection.execute(
                """insert into unique_keys
                   select $1, key, stream from unnest($2::text[], $3::text[]) as c (key, stream)""",
                index,
                [key for key, _ in pairs],
                [stream for _, stream in pairs],
            )
            await _move(connection, index, position)


async def add_tags(
    connection: Connection, index: int, tags: Iterable[tuple[str, int]], position: int
) -> None:
    """Adds values, each with the position of its event, to an index that then has the log up to position.

    Raises IndexDropped.
    """
    pairs = [*tags]
    with reaching_postgres(connection):
        async with connection.transaction():
            await connection.execute(
                """insert into event_tags
                   select $1, value, at from unnest($2::text[], $3::bigint[]) as c (value, at)""",
                index,
                [value for value, _ in pairs],
                [at for _, at in pairs],
            )
            await _move(connection, index, position)


async def _move(connection: Connection, index: int, position: int) -> None:
    moved = await connection.fetch(
        "update log_indexes set position = $2 where id = $1 returning id", index, position
    )
    if not moved:
        raise IndexDropped("an index of the log was dropped while it was built")


class TaggedAfter(NamedTuple):
    """The events with one of these values after a position."""

    values: Sequence[str]
    position: int


class TaggedPage(NamedTuple):
    """The first of such events, in order. has_more: whether others may follow."""

    events: Sequence[RecordedEvent]
    has_more: bool


async def read_tagged(
    connection: Connection, index: int, asked: Sequence[TaggedAfter], limit: int
) -> list[TaggedPage]:
    """A page of each, in one statement. limit: the most events of a page that have the same value."""
    values = [(place, value, one.position) for place, one in enumerate(asked) for value in one.values]
    with reaching_postgres(connection):
        rows = await connection.fetch(_READ_TAGGED, index, *map(list, zip(*values, strict=True)), limit)
    found: list[dict[str, list[RecordedEvent]]] = [{} for _ in asked]
    for place, value, *event in rows:
        found[place].setdefault(value, []).append(RecordedEvent(*event))
    return [_page(one, limit) for one in found]


def _page(found: Mapping[str, Sequence[RecordedEvent]], limit: int) -> TaggedPage:
    """found: by value. Where the limit has cut the events of a value, the page ends."""
    ends = [events[-1].position for events in found.values() if len(events) == limit]
    events = {event.position: event for events in found.values() for event in events}
    end = min(ends, default=None)
    return TaggedPage(
        [events[at] for at in sorted(events) if end is None or at <= end], has_more=end is not None
    )


async def duplicates(connection: Connection, index: int, limit: int) -> list[Duplicate]:
    """Keys that several streams have. limit: the most of them."""
    with reaching_postgres(connection):
        rows = await connection.fetch(
            """select key, array_agg(stream order by stream) as streams from unique_keys where index_id = $1
               group by key having count(*) > 1 order by key limit $2""",
            index,
            limit,
        )
    return [Duplicate(row["key"], tuple(row["streams"])) for row in rows]


async def activate(connection: Connection, index: LogIndex) -> None:
    """Makes an index active that has the whole log. Those that other code made under its name go.

    Call it in a transaction that holds the log.
    """
    with reaching_postgres(connection):
        await connection.execute("delete from log_indexes where name = $1 and id <> $2", index.name, index.id)
        await connection.execute("update log_indexes set active = true where id = $1", index.id)


async def all_indexes(connection: Connection) -> list[LogIndex]:
    """All indexes, also those that are being built."""
    with reaching_postgres(connection):
        rows = await connection.fetch(
            "select id, name, fingerprint, position, active from log_indexes order by name, id"
        )
    return [LogIndex(*row) for row in rows]


async def drop_index(connection: Connection, name: str) -> bool:
    """Drops the indexes of this name, active or not. Returns whether there were any."""
    with reaching_postgres(connection):
        async with connection.transaction():
            await connection.execute("select from hold_log()")
            dropped = await connection.fetch("delete from log_indexes where name = $1 returning id", name)
    return bool(dropped)
