"""Imports an export into an empty store, in one transaction: all of it or nothing.

No other process can append meanwhile: the row of log_lock, which every append locks, is locked from the first
check to the commit. A reactor that starts meanwhile waits for its checkpoint. Checksums and order are
verified during the import, and the commit comes after the last check.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from msgspec.structs import astuple

from commander.domain.errors import CommanderError
from commander.eventstore.archive.format import (
    ArchiveReader,
    CommandLine,
    EventLine,
    ExportBroken,
    Header,
    Record,
    document_of,
)
from commander.eventstore.database import Connection, Database, reaching_postgres
from commander.eventstore.locks import Lock
from commander.eventstore.log.command_history import DeadLetterAction
from commander.eventstore.records import Outcome, RecordedEvent
from commander.eventstore.sessions import unlimited
from commander.eventstore.sql import statement

_NOT_EMPTY = statement("why_not_empty")
_BROKEN_STREAM = statement("broken_stream")
_RECORDS_PER_COPY = 1000
_CHARACTERS_PER_COPY = 8 * 1024 * 1024
_LOCKS = [int(lock) for lock in Lock if lock is not Lock.MIGRATIONS]


class NotEmpty(CommanderError):
    """The store is not empty, so an export cannot be imported into it. The message says what it contains."""


class NotImportable(CommanderError):
    """A filtered export cannot be imported: it has gaps, and a log must not. Export the whole log."""


async def import_all(
    database: Database, reader: ArchiveReader, progress: Callable[[Header, int], None]
) -> Header:
    """Stores all records of an export, or none, and returns its header.

    progress: called with the header and the number of records stored so far.
    Raises NotEmpty, NotImportable, ExportBroken and Unavailable.
    """
    header = reader.header()
    if not all(0 <= position <= header.position for position in header.reactors.values()):
        raise ExportBroken(reader.line, "the checkpoint of a reactor is beyond the log")
    if header.filter is not None:
        raise NotImportable(
            "this is a filtered export, which has gaps; only an export of the whole log can be imported"
        )
    connection = await database.connect("commander import")
    try:
        with reaching_postgres(connection):
            async with connection.transaction():
                await unlimited(connection)
                await _must_be_empty(connection)
                await _store(connection, reader, header, progress)
    except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
        raise ExportBroken(reader.line, f"Postgres rejects a record before this line: {error}") from error
    finally:
        connection.terminate()
    return header


async def _must_be_empty(connection: Connection) -> None:
    await connection.execute("select from hold_log()")
    found = await connection.fetchval(_NOT_EMPTY, _LOCKS)
    if found is not None:
        raise NotEmpty(f"the store is not empty: {found}")


async def _store(
    connection: Connection, reader: ArchiveReader, header: Header, progress: Callable[[Header, int], None]
) -> None:
    await connection.executemany(
        """insert into reactors (name, position) values ($1, $2)
           on conflict (name) do update set position = excluded.position""",
        list(header.reactors.items()),
    )
    await connection.execute("delete from reactor_partitions")  # they begin at their reactor's checkpoint
    await connection.execute("delete from log_indexes")  # they are built again, from the imported log
    await connection.execute("update effects set position = $1", header.position)  # no call is repeated
    order = _Order(reader)
    stored, page = 0, _Records()
    for record in reader.records():
        page.add(order.checked(record))
        if len(page) == _RECORDS_PER_COPY or page.size > _CHARACTERS_PER_COPY:
            await page.copy(connection)
            stored, page = stored + len(page), _Records()
            progress(header, stored)
    await page.copy(connection)
    order.must_end_at(header)
    broken = await connection.fetchval(_BROKEN_STREAM)
    if broken is not None:
        raise ExportBroken(reader.line, f"the versions of the stream {broken} have a gap")
    await connection.execute("update log_lock set imported_position = $1", header.position)
    progress(header, stored + len(page))


@dataclass
class _Order:
    """Checks the order of records: numbers and positions without gaps, each event after its command."""

    reader: ArchiveReader
    number: int = 0
    position: int = 0
    command: CommandLine | None = None
    awaited: int = 0

    def checked(self, record: Record) -> Record:
        if isinstance(record, CommandLine):
            self.number += 1
            fits = record.number == self.number and self.awaited == 0
            fits = fits and record.position == self.position + record.event_count
            self.command, self.awaited = record, record.event_count
        else:
            self.position += 1
            self.awaited -= 1
            fits = record.position == self.position and self.awaited >= 0
            fits = fits and self.command is not None and record.command_id == self.command.command_id
        if not fits:
            raise ExportBroken(self.reader.line, "the record does not follow the one before it")
        return record

    def must_end_at(self, header: Header) -> None:
        if (self.number, self.position, self.awaited) != (header.commands, header.position, 0):
            raise ExportBroken(self.reader.line, "the file does not end at the position in its header")


@dataclass
class _Records:
    """Records that are collected for one copy into the tables. size: the characters of their JSON."""

    commands: list[Outcome] = field(default_factory=list)
    events: list[RecordedEvent] = field(default_factory=list)
    actions: list[DeadLetterAction] = field(default_factory=list)
    size: int = 0

    def __len__(self) -> int:
        return len(self.commands) + len(self.events)

    def add(self, record: Record) -> None:
        data = document_of(record)
        self.size += len(data)
        if isinstance(record, EventLine):
            self.events.append(RecordedEvent(*_values(record, RecordedEvent.__struct_fields__, data=data)))
            return
        digest = bytes.fromhex(record.digest)
        guards = None if record.guards is None else record.guards.encode()
        values = _values(record, Outcome._fields, data=data, digest=digest, guards=guards)
        self.commands.append(Outcome._make(values))
        done = record.dead_letter
        if done is not None:
            action = DeadLetterAction(record.command_id, done.action, done.retried_as, done.actor, done.at)
            self.actions.append(action)

    async def copy(self, connection: Connection) -> None:
        events = [astuple(event) for event in self.events]
        for table, records, columns in (
            ("commands", self.commands, Outcome._fields),
            ("events", events, RecordedEvent.__struct_fields__),
            ("dead_letter_actions", self.actions, DeadLetterAction._fields),
        ):
            if records:
                await connection.copy_records_to_table(table, records=records, columns=columns)


def _values(record: Record, names: tuple[str, ...], **given: Any) -> list[Any]:
    return [given[name] if name in given else getattr(record, name) for name in names]
