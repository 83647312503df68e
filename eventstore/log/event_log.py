"""The log: append decisions, read streams.

Why no reader can skip a late commit: an append locks the single row of log_lock, and then takes the positions
after the newest event. The row stays locked until the append commits. The next append cannot take a higher
position before the first is visible. So a reader that sees position n sees every position below it. (With a
sequence, a transaction could take a low number, commit late, and become visible behind readers that have
passed that number.)

Why a processor that has lost its partitions cannot append: it appends through the connection that holds the
session locks of the partitions. If Postgres has ended that session, the append fails. If the session lives,
so do its locks, and no other processor has taken over.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import count
from typing import Any, NamedTuple

import asyncpg

from commander.domain.errors import CommanderError
from commander.eventstore.batches import BATCH_BYTES
from commander.eventstore.database import Connection, Database, reaching_postgres
from commander.eventstore.log.append_binds import (
    command_columns,
    event_columns,
    event_rows,
    rare_columns,
    stored_events,
)
from commander.eventstore.log.conditions import NOTHING, OUTSIDE, Conditions
from commander.eventstore.records import (
    Decision,
    Progress,
    RecordedEvent,
)
from commander.eventstore.sql import array_text, statement

_APPEND = statement("append")
_READ_STREAMS = statement("read_streams")
_READ_STREAMS_BACK = statement("read_streams_back")
_LOG_EXTENT = statement("log_extent")
PAGE = 500
"""The events of a page, by default."""
_EVENT_DATA, _COMMAND_DATA = 5, 11  # the places of the documents among the binds of an append, from 0
_MAX_STATEMENT = 4 * BATCH_BYTES
"""The maximum of characters in the documents of one statement, unless one command has more. Postgres takes a
gigabyte, and needs several times as much memory."""


class AppendConflict(CommanderError):
    """Another writer stored one of these commands or versions first. Load the state and decide again."""


class ConditionsBroken(CommanderError):
    """Another writer has changed what these decisions rest on. Nothing was stored. Decide again."""


class IndexNotKept(CommanderError):
    """This code does not keep up an active index of the log, or keeps up one that was dropped.

    Nothing was stored.
    """


class Appended(NamedTuple):
    """The result of an append. base: the head before. recorded_at: the time of its events and outcomes."""

    base: int
    recorded_at: datetime
    events: tuple[RecordedEvent, ...]


class Extent(NamedTuple):
    """The extent of the log.

    head: the newest position. begin: the time of the first event. now: Postgres' clock.
    """

    head: int
    begin: datetime
    now: datetime


class LogHead(NamedTuple):
    """The end of the log. commands: how many have an outcome. newest_at: when the newest one was decided."""

    position: int
    commands: int
    newest_at: datetime


class Append:
    """An append of decisions to the log. The constructor encodes them; `run` stores them.

    Large ones are stored by several statements, in one transaction.
    """

    def __init__(
        self,
        decisions: Sequence[Decision],
        progress: Progress | None,
        conditions: Conditions = NOTHING,
    ) -> None:
        """progress:

        the partitions' new checkpoint, if it moves. A decision's version gives its events' versions.
        conditions: what must hold beside that.
        """
        self._rows, made_by = event_rows(decisions)
        commands = [decision.command for decision in decisions]
        self._traces = [commands[place - 1].traceparent for place in made_by]
        moved = progress or Progress((), 0, None)
        self._binds: tuple[Any, ...] = (
            len(self._rows),
            *event_columns(self._rows),
            array_text(made_by),
            len(decisions),
            *command_columns(decisions, commands),
            *rare_columns(decisions, commands),
            array_text(moved.partitions),
            moved.sequence,
            moved.stream_created,
            *conditions.binds(),
        )
        self._parts: tuple[Append, ...] = ()
        size = len(self._binds[_EVENT_DATA]) + len(self._binds[_COMMAND_DATA])
        if size > _MAX_STATEMENT and len(decisions) > 1:
            half = len(decisions) // 2
            first, rest = conditions.split(sum(map(stored_events, decisions[:half])))
            self._parts = Append(decisions[:half], None, first), Append(decisions[half:], progress, rest)
            self._binds = ()

    async def run(self, connection: Connection) -> Appended:
        """Stores outcomes, events and progress in one transaction, and one round trip if they are not large.

        Raises AppendConflict, ConditionsBroken, IndexNotKept and Unavailable.
        """
        if self._parts:
            with reaching_postgres(connection):
                async with connection.transaction():  # the log stays locked, so the positions follow
                    done = [await part.run(connection) for part in self._parts]
            return Appended(done[0].base, done[-1].recorded_at, tuple(e for one in done for e in one.events))
        try:
            with reaching_postgres(connection):
                head = await connection.fetchrow(_APPEND, *self._binds)
        except asyncpg.UniqueViolationError as error:
            raise AppendConflict(str(error)) from error
        except asyncpg.ObjectNotInPrerequisiteStateError as error:
            raise IndexNotKept(str(error)) from error
        if head is None:
            raise ConditionsBroken("another writer has changed what these decisions rest on")
        base, recorded_at = head["base"], head["recorded_at"]
        rows = zip(count(base + 1), self._rows, self._traces, strict=False)
        events = [RecordedEvent(*(position, *row, recorded_at, trace)) for position, row, trace in rows]
        return Appended(base, recorded_at, tuple(events))


async def append(
    connection: Connection, decisions: Sequence[Decision], progress: Progress | None
) -> Appended:
    """Encodes and stores decisions without events of an aggregate; see Append.

    Raises AppendConflict and Unavailable.
    """
    return await Append(decisions, progress, OUTSIDE).run(connection)


async def read_streams(
    connection: Connection, after: dict[str, int], page: int = PAGE
) -> tuple[list[RecordedEvent], str | None]:
    """One page of each of these streams after its given version, in their order, up to about BATCH_BYTES.

    after: the version by stream. page: events per stream. Returns also the stream at which the bytes ended
    the page: it and those after it may have more; None if they did not. Raises Unavailable.
    """
    with reaching_postgres(connection):
        rows = await connection.fetch(_READ_STREAMS, list(after), list(after.values()), page, BATCH_BYTES)
    cut = rows[-1]["stream"] if rows and rows[-1]["bytes"] >= BATCH_BYTES else None
    return [RecordedEvent(*row[:-1]) for row in rows], cut


async def read_stream(
    database: Database, stream: str, after_version: int = 0, limit: int = PAGE
) -> list[RecordedEvent]:
    """A page of a stream's events after a version, up to about BATCH_BYTES. Empty at its end."""
    rows = await database.fetch(_READ_STREAMS, [stream], [after_version], limit, BATCH_BYTES)
    return [RecordedEvent(*row[:-1]) for row in rows]


async def pages_of_streams(
    database: Database, streams: Sequence[str], after_version: int, limit: int
) -> dict[str, list[RecordedEvent]]:
    """One page of each of these streams after the same version, by stream, in one query."""
    pages: dict[str, list[RecordedEvent]] = {stream: [] for stream in streams}
    for row in await database.fetch(_READ_STREAMS, list(pages), [after_version] * len(pages), limit, None):
        event = RecordedEvent(*row[:-1])
        pages[event.stream].append(event)
    return pages


async def last_pages_of_streams(
    database: Database, streams: Sequence[str], after_version: int, before_version: int, limit: int
) -> dict[str, list[RecordedEvent]]:
    """The last events of each of these streams between two versions, newest first, by stream."""
    pages: dict[str, list[RecordedEvent]] = {stream: [] for stream in streams}
    binds = (list(pages), before_version, limit, after_version)
    for row in await database.fetch(_READ_STREAMS_BACK, *binds):
        event = RecordedEvent(*row)
        pages[event.stream].append(event)
    return pages


async def head_position(database: Database) -> int:
    """The position of the newest event; 0 in an empty log."""
    return int(await database.fetchval("select position from log_head"))


async def ended_commands(database: Database) -> int:
    """How many commands have an outcome."""
    return int(await database.fetchval("select commands from log_head"))


async def log_head(database: Database) -> LogHead:
    """The end of the log, from one statement."""
    row = await database.fetchrow("select position, commands, recorded_at from log_head")
    assert row is not None, "the view has one row"
    return LogHead(*row)


async def log_bytes(database: Database) -> int:
    """The size of the log in Postgres, with its indexes."""
    return int(await database.fetchval("select pg_total_relation_size('events')"))


async def types_at(database: Database, positions: Collection[int]) -> dict[int, str]:
    """The types of the events at these positions."""
    if not positions:
        return {}
    rows = await database.fetch(
        "select position, type from events where position = any($1::bigint[])", list(positions)
    )
    return {row["position"]: row["type"] for row in rows}


async def log_extent(database: Database) -> Extent | None:
    """The extent of the log; None if it is empty."""
    row = await database.fetchrow(_LOG_EXTENT)
    return None if row is None else Extent(*row)
