"""Exports the log: every command with its outcome and its events, in the order of the log.

Stored events and outcomes never change. So the export reads the head once, then everything up to it in pages.
It locks nothing, holds one page in memory, and does not see later appends. It leaves out what can be derived
from the log (projections, snapshots) and what is not in the log yet (commands that are pending in NATS).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from commander.domain.errors import CommanderError, InvalidRequest
from commander.eventstore.archive.format import (
    FORMAT,
    ArchiveWriter,
    ExportFilter,
    Header,
    Record,
    command_line,
    event_line,
)
from commander.eventstore.batches import BATCH_BYTES
from commander.eventstore.database import Database
from commander.eventstore.log.command_history import DeadLetterAction
from commander.eventstore.log.outcomes import known_outcomes
from commander.eventstore.log.ranges import read_log
from commander.eventstore.records import EventFilter, Outcome, RecordedEvent
from commander.eventstore.sql import statement

_COMMANDS = statement("export_commands")
_PAGE = 200
_OF_OUTCOME = len(Outcome._fields)


class LogBroken(CommanderError):
    """The log has a gap, or an event without its command. It cannot be exported. Run `commander verify`."""


async def header_of(database: Database, where: ExportFilter, reactors: Mapping[str, int]) -> Header:
    """The header of an export of the log up to its current head.

    reactors: the checkpoint of each reactor, by name. The commands that reactors sent for events up to it
    must be decided by now, see `commander export`. Raises InvalidRequest if a position is beyond the head.
    """
    head = await database.fetchrow("select position, commands, recorded_at from log_head")
    assert head is not None, "a migration inserts the row of log_lock"
    position = int(head["position"])
    for name, value in (("after", where.after), ("up-to", where.up_to)):
        if value is not None and not 0 <= value <= position:
            raise InvalidRequest(name, f"must be from 0 to {position}, the head of the log; got {value}")
    filtered = where != ExportFilter()
    return Header(
        format=FORMAT,
        **dict(head),
        reactors={} if filtered else dict(sorted(reactors.items())),
        filter=where if filtered else None,
    )


async def exported(database: Database, header: Header) -> AsyncIterator[bytes]:
    """The lines of the file that begins with this header. Raises LogBroken and Unavailable."""
    writer = ArchiveWriter()
    yield writer.header(header)
    async for record in _matching(database, header) if header.filter else _everything(database, header):
        yield writer.record(record)
    yield writer.end()


async def _everything(database: Database, header: Header) -> AsyncIterator[Record]:
    """All commands, each followed by its events. They must be the next events in the log."""
    events = _events(database, 0, header.position, EventFilter())
    async for outcome, action in _commands(database, header.commands):
        yield command_line(outcome, action)
        for _ in range(outcome.event_count):
            event = await anext(events, None)
            if event is None or event.command_id != outcome.command_id:
                raise LogBroken(
                    f"an event of the command {outcome.command_id} is missing or in the wrong place"
                )
            yield event_line(event)
    async for event in events:
        raise LogBroken(f"the event at position {event.position} belongs to no command")


async def _matching(database: Database, header: Header) -> AsyncIterator[Record]:
    """The matching events. Each command comes before its first event."""
    where = header.filter or ExportFilter()
    wanted = EventFilter(_as_set(where.types), _as_set(where.streams), _as_set(where.aggregates))
    up_to = header.position if where.up_to is None else where.up_to
    last = None
    async for event, outcome in _with_commands(database, where.after or 0, up_to, wanted):
        if last != outcome.command_id:
            last = outcome.command_id
            yield command_line(outcome)
        yield event_line(event)


async def _events(
    database: Database, after: int, up_to: int, where: EventFilter
) -> AsyncIterator[RecordedEvent]:
    """The matching events, page by page. Raises LogBroken if a position is missing and there is no filter."""
    while page := await read_log(database, after, up_to, _PAGE, where, max_bytes=BATCH_BYTES):
        if where == EventFilter() and page[-1].position != after + len(page):
            raise LogBroken(f"events are missing between the positions {after} and {page[-1].position}")
        for event in page:
            yield event
        after = page[-1].position


async def _with_commands(
    database: Database, after: int, up_to: int, where: EventFilter
) -> AsyncIterator[tuple[RecordedEvent, Outcome]]:
    while page := await read_log(database, after, up_to, _PAGE, where, max_bytes=BATCH_BYTES):
        async with database.connection() as connection:
            outcomes = await known_outcomes(connection, list({event.command_id for event in page}))
        for event in page:
            if event.command_id not in outcomes:
                raise LogBroken(f"the event at position {event.position} belongs to no command")
            yield event, outcomes[event.command_id]
        after = page[-1].position


async def _commands(database: Database, up_to: int) -> AsyncIterator[tuple[Outcome, DeadLetterAction | None]]:
    after = 0
    while page := await database.fetch(_COMMANDS, after, up_to, _PAGE):
        for row in page:
            outcome, (action, retried_as, actor, at) = Outcome(*row[:_OF_OUTCOME]), row[_OF_OUTCOME:]
            done = DeadLetterAction(outcome.command_id, action, retried_as, actor, at) if action else None
            yield outcome, done
            if outcome.number != after + 1:
                raise LogBroken(f"the command with the number {after + 1} is missing")
            after = outcome.number


def _as_set(names: tuple[str, ...] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)
