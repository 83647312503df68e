"""Importing an export into an empty store, in one transaction: all of it, or nothing is left behind.

Nobody can slip in: the row of log_head, which every append updates, is locked from the first look to the
commit, and reactors that start meanwhile wait for their checkpoints. Checksums and order are verified on the
way; the commit comes after the last of them.
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
from commander.eventstore.sql import statement

_IN_THE_WAY = statement("what_stands_in_the_way")
_BROKEN_STREAM = statement("broken_stream")
_AT_ONCE = 1000
_CHARACTERS_AT_ONCE = 8 * 1024 * 1024
_PARTS = [int(lock) for lock in Lock if lock is not Lock.MIGRATIONS]


class NotEmpty(CommanderError):
    """An export is imported into an empty store only; the message says what is there."""


class NotImportable(CommanderError):
    """A filtered export has gaps, and the log has none: it is for reading elsewhere."""


async def import_all(
    database: Database, reader: ArchiveReader, progress: Callable[[Header, int], None]
) -> Header:
    """Stores all that an export holds, or nothing; its header. progress: told how many records are in.

    Raises NotEmpty, NotImportable, ExportBroken, Unavailable.
    """
    header = reader.header()
    if not all(0 <= position <= header.position for position in header.reactors.values()):
        raise ExportBroken(reader.line, "a reactor stands beyond the log")
    if header.filter is not None:
        raise NotImportable("this is a filtered export: the log has no gaps, so only a whole one is imported")
    connection = await database.connect("commander import")
    try:
        with reaching_postgres(connection):
            async with connection.transaction():
                await _must_be_empty(connection)
                await _store(connection, reader, header, progress)
    except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
        raise ExportBroken(reader.line, f"Postgres does not take what stands before it: {error}") from error
    finally:
        connection.terminate()
    return header


async def _must_be_empty(connection: Connection) -> None:
    await connection.execute("select from log_head for update")
    found = await connection.fetchval(_IN_THE_WAY, _PARTS)
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
    await connection.execute("delete from reactor_partitions")  # they begin where their reactor stands
    await connection.execute("update effects set position = $1", header.position)  # not called again
    order = _Order(reader)
    stored, page = 0, _Records()
    for record in reader.records():
        page.add(order.checked(record))
        if len(page) == _AT_ONCE or page.size > _CHARACTERS_AT_ONCE:
            await page.copy(connection)
            stored, page = stored + len(page), _Records()
            progress(header, stored)
    await page.copy(connection)
    order.must_end_at(header)
    broken = await connection.fetchval(_BROKEN_STREAM)
    if broken is not None:
        raise ExportBroken(reader.line, f"the versions of the stream {broken} have a gap")
    await connection.execute(
        "update log_head set position = $1, commands = $2, recorded_at = $3",
        header.position,
        header.commands,
        header.recorded_at,
    )
    progress(header, stored + len(page))


@dataclass
class _Order:
    """What must come next: numbers and positions without gaps, each event behind its command."""

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
            raise ExportBroken(self.reader.line, "it does not follow what stands before it")
        return record

    def must_end_at(self, header: Header) -> None:
        if (self.number, self.position, self.awaited) != (header.commands, header.position, 0):
            raise ExportBroken(self.reader.line, "it does not end where the header says")


@dataclass
class _Records:
    """Some records, on their way into the tables."""

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
        self.commands.append(Outcome._make(_values(record, Outcome._fields, data=data, digest=digest)))
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
