"""The format of an export file: lines of JSON, with checksums that detect damage.

    header    what is exported and up to which position; for the whole log also the checkpoints of reactors
    command   a command with its outcome; followed by
    event     each of its events
    checksum  after every thousand records: SHA-256 of all bytes of the file before this line
    end       the number of records, and a checksum

Positions, versions and numbers are those of the log. JSON documents are copied as they are stored. So a store
that imports a file exports the same bytes. (A document that would change inside a line, for example one with
a line break, is a string in `text`.)
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from typing import Any, BinaryIO
from uuid import UUID

import msgspec
from msgspec import UNSET, Raw, UnsetType

from commander.domain.errors import CommanderError
from commander.eventstore.log.command_history import DeadLetterAction
from commander.eventstore.records import Guards, Outcome, RecordedEvent

FORMAT = 4
"""What is written. Format 1 has no decider_now, format 2 no guards, format 3 no senders; all are read too."""
_READABLE = (1, 2, 3, FORMAT)
CHECKSUM_EVERY = 1000
_MAX_LINE_BYTES = 16 * 1024 * 1024


class ExportBroken(CommanderError):
    """The file is damaged, truncated or not an export. `line` is the line of the problem. Export again."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


class ExportFilter(msgspec.Struct, frozen=True, omit_defaults=True):
    """A filter on the exported events; their commands are exported with them. An event must match every part.

    after, up_to: the positions p with after < p <= up_to.
    """

    types: tuple[str, ...] | None = None
    streams: tuple[str, ...] | None = None
    aggregates: tuple[str, ...] | None = None
    after: int | None = None
    up_to: int | None = None


class _Line(msgspec.Struct, frozen=True, tag_field="line", omit_defaults=True, forbid_unknown_fields=True):
    pass


class Header(_Line, frozen=True, tag="header"):
    """The first line. position, commands, recorded_at: the head of the log.

    reactors: by reactor, the position up to which its reactions are decided. filter: None for the whole log.
    """

    format: int
    position: int
    commands: int
    recorded_at: datetime
    reactors: dict[str, int] = {}
    filter: ExportFilter | None = None


class ActionTaken(msgspec.Struct, frozen=True, omit_defaults=True):
    """The action taken on a dead letter."""

    action: str
    at: datetime
    retried_as: UUID | None = None
    actor: str | None = None


class CommandLine(_Line, frozen=True, tag="command"):
    """A command with its outcome. The fields are those of records.Outcome. digest: in hexadecimal."""

    number: int
    command_id: UUID
    type: str
    stream: str
    status: str
    position: int
    event_count: int
    version: int
    correlation_id: UUID
    submitted_at: datetime
    decided_at: datetime
    digest: str
    code: str | None = None
    message: str | None = None
    causation_position: int | None = None
    reactor: str | None = None
    actor: str | None = None
    decider_now: datetime | None = None
    guards: Guards | None = None
    dead_letter: ActionTaken | None = None
    data: Raw | UnsetType = UNSET
    text: str | UnsetType = UNSET


class EventLine(_Line, frozen=True, tag="event"):
    """An event. The fields are those of records.RecordedEvent."""

    position: int
    stream: str
    version: int
    type: str
    schema_version: int
    command_id: UUID
    correlation_id: UUID
    recorded_at: datetime
    causation_position: int | None = None
    traceparent: str | None = None
    data: Raw | UnsetType = UNSET
    text: str | UnsetType = UNSET


class Checksum(_Line, frozen=True, tag="checksum"):
    sha256: str


class End(_Line, frozen=True, tag="end"):
    commands: int
    events: int
    sha256: str


class _Document(msgspec.Struct):
    data: Raw


Record = CommandLine | EventLine

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
    Header | CommandLine | EventLine | Checksum | End, strict=True
)
_documents = msgspec.json.Decoder(_Document)


def command_line(outcome: Outcome, action: DeadLetterAction | None = None) -> CommandLine:
    """The line of a command with its outcome.

    action: the action taken on its dead letter, if there is one.
    """
    values = outcome._asdict() | _document(outcome.data) | {"digest": bytes(outcome.digest).hex()}
    values["guards"] = None if outcome.guards is None else outcome.read_guards()
    if action is not None:
        values["dead_letter"] = ActionTaken(action.action, action.at, action.retried_as, action.actor)
    return CommandLine(**values)


def event_line(event: RecordedEvent) -> EventLine:
    return EventLine(**(msgspec.structs.asdict(event) | _document(event.data)))


def document_of(line: Record) -> str:
    """The JSON of a command or an event, as it was stored."""
    if isinstance(line.text, str):
        return line.text
    return "" if line.data is UNSET else bytes(line.data).decode()


def _document(json: str) -> dict[str, Any]:
    """The JSON as a part of the line, if it can be read back unchanged; else as a string."""
    raw = json.encode()
    try:
        unchanged = "\n" not in json and bytes(_documents.decode(b'{"data":' + raw + b"}").data) == raw
    except msgspec.MsgspecError:
        unchanged = False
    return {"data": Raw(raw)} if unchanged else {"data": UNSET, "text": json}


class ArchiveWriter:
    """Encodes the lines of an export file, in order."""

    def __init__(self) -> None:
        self._sum = sha256()
        self._commands = 0
        self._events = 0

    def header(self, header: Header) -> bytes:
        return self._line(header)

    def record(self, record: Record) -> bytes:
        """The line of a record, followed by a checksum line if one is due."""
        if isinstance(record, CommandLine):
            self._commands += 1
        else:
            self._events += 1
        line = self._line(record)
        if (self._commands + self._events) % CHECKSUM_EVERY == 0:
            line += self._line(Checksum(self._sum.hexdigest()))
        return line

    def end(self) -> bytes:
        return self._line(End(self._commands, self._events, self._sum.hexdigest()))

    def _line(self, line: _Line) -> bytes:
        encoded = _encoder.encode(line) + b"\n"
        self._sum.update(encoded)
        return encoded


class ArchiveReader:
    """Reads an export file line by line. Raises ExportBroken if it is damaged or has no end. line: from 1."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._sum = sha256()
        self._commands = 0
        self._events = 0
        self.line = 0

    def header(self) -> Header:
        """The first line."""
        line = self._next()
        if not isinstance(line, Header):
            raise ExportBroken(self.line, "an export must begin with a header")
        if line.format not in _READABLE:
            problem = f"this version reads formats up to {FORMAT}, the file has {line.format}"
            raise ExportBroken(self.line, problem)
        return line

    def records(self) -> Iterator[Record]:
        """All commands and events. After the last one, every checksum has been verified."""
        while True:
            match self._next():
                case CommandLine() as command:
                    self._commands += 1
                    yield command
                case EventLine() as event:
                    self._events += 1
                    yield event
                case Checksum():
                    pass
                case End(commands, events):
                    if (commands, events) != (self._commands, self._events):
                        declared = f"{commands} commands and {events} events"
                        found = f"{self._commands} and {self._events}"
                        raise ExportBroken(self.line, f"the end declares {declared}, the file has {found}")
                    if self._file.read(1):
                        raise ExportBroken(self.line + 1, "there is data after the end line")
                    return
                case Header():
                    raise ExportBroken(self.line, "there is a second header")

    def _next(self) -> Header | CommandLine | EventLine | Checksum | End:
        self.line += 1
        raw = self._file.readline(_MAX_LINE_BYTES)
        if not raw:
            raise ExportBroken(self.line, "the file is truncated: it has no end line")
        if not raw.endswith(b"\n"):
            raise ExportBroken(self.line, "the line is truncated")
        try:
            line: Header | CommandLine | EventLine | Checksum | End = _decoder.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ExportBroken(self.line, f"this is not a line of an export: {error}") from error
        if isinstance(line, Checksum | End) and line.sha256 != self._sum.hexdigest():
            raise ExportBroken(self.line, "the checksum is wrong: the file was changed before this line")
        self._sum.update(raw)
        return line
