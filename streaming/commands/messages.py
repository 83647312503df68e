"""The messages of COMMANDS: one command alone, or several that arrived together and share one sync.

<system>.commands.<partition>.<command id>
                    one command, found directly by its id
<system>.commands.many.<count>
                    that many commands of any partitions, as a JSON array. A header has the partition of each:
                    a processor decodes its own alone
<system>.commands.scheduled.<last two digits of the command id>.<correlation id>.<command id>
                    one command that is not due (JetStream's schedules, ADR-51)

The server keeps a scheduled message, also over restarts. When it is due, the server stores the payload under
the command's own subject, at the end of the queue, and removes the schedule. A second schedule with the same
ids replaces the first. Schedules are searched by command id and by correlation id. For a '*' in a subject the
server tries all tokens at that place. The two digits before the ids limit that: a search by correlation tries
256 tokens, a search by command tries one schedule in 256, and none tries all schedules. A command whose id
the client chose is alone in its message, so that a second command with the same id and other content is
detected quickly. A command in a message of several is found by the time in its id, or in Postgres
(pending_by_id.py).
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from commander.eventstore.records import SubmittedCommand
from commander.streaming.nats.chunks import OutMessage
from commander.streaming.nats.names import Names
from commander.streaming.nats.streams import partition_of

MAX_TOGETHER = 100
MAX_TOGETHER_BYTES = 256 * 1024

_MANY = "commands.many."
_SCHEDULED = "commands.scheduled."
_CORRELATION = re.compile(rb'"correlation_id":"([0-9a-f-]{36})"')
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(SubmittedCommand)
_decoder_of_many = msgspec.json.Decoder(list[SubmittedCommand])
_splitter = msgspec.json.Decoder(list[msgspec.Raw])
_PARTITIONS = "Commander-Partitions"
_PARTITIONS_LINE = re.compile(rb"\r\n" + _PARTITIONS.encode() + rb": (\d+) ([0-9a-f]+)\r\n")


def queued_subject(names: Names) -> str:
    """The subject of all messages whose commands are due."""
    return f"{names.prefix}commands.*.*"


def many_subject(names: Names, count: int | str = "*") -> str:
    """The subject of the messages with this many commands; '*' matches any number."""
    return f"{names.prefix}{_MANY}{count}"


def command_subject(names: Names, partition: int | str, command_id: UUID | str) -> str:
    """The subject of a command that is alone in its message. '*' matches any partition or any id."""
    return f"{names.prefix}commands.{partition}.{command_id}"


def subjects_of(names: Names, partitions: Iterable[int]) -> str:
    """A regular expression of the subjects of commands of these partitions that are alone; empty for none."""
    any_of = "|".join(map(str, partitions))
    return rf"{re.escape(names.prefix)}commands\.(?:{any_of})\.[^ ]+" if any_of else ""


def scheduled_subject(names: Names, command_id: UUID, correlation_id: UUID | str) -> str:
    """The subject of a scheduled command. '*' matches any correlation."""
    return f"{names.prefix}{_SCHEDULED}{str(command_id)[-2:]}.{correlation_id}.{command_id}"


def scheduled_together(names: Names, correlation_id: UUID) -> str:
    """The subject of all scheduled commands of a correlation."""
    return f"{names.prefix}{_SCHEDULED}*.{correlation_id}.*"


def all_scheduled(names: Names) -> str:
    """The subject of all schedules."""
    return f"{names.prefix}{_SCHEDULED}*.*.*"


def is_scheduled(subject: str) -> bool:
    """Whether a message of this subject is a schedule. It is not decided until it is due."""
    return _SCHEDULED in subject  # no other token has a dot


def encoded(command: SubmittedCommand) -> bytes:
    return _encoder.encode(command)


def message_of(
    names: Names, command: SubmittedCommand, partitions: int, data: bytes | None = None
) -> OutMessage:
    """The message of one command. data: the encoded command."""
    subject = command_subject(names, partition_of(command.stream, partitions), command.command_id)
    return OutMessage(subject, encoded(command) if data is None else data, {})


def schedule_of(names: Names, command: SubmittedCommand, partitions: int, data: bytes) -> OutMessage:
    """The schedule of one command. data: the encoded command. The server checks for due ones every 250 ms."""
    assert command.not_before is not None, "a scheduled command has a time"
    due = command.not_before.astimezone(UTC).isoformat().replace("+00:00", "Z")
    target = command_subject(names, partition_of(command.stream, partitions), command.command_id)
    headers = {"Nats-Schedule": f"@at {due}", "Nats-Schedule-Target": target}
    return OutMessage(scheduled_subject(names, command.command_id, command.correlation_id), data, headers)


def is_due(command: SubmittedCommand, now: datetime) -> bool:
    """Whether the command may be decided."""
    return command.not_before is None or command.not_before <= now


def message_of_many(
    names: Names, data: Sequence[bytes], streams: Iterable[str], partitions: int
) -> OutMessage:
    """The message of several encoded commands, in order. streams: of each. partitions: how many there are."""
    each = bytes([partition_of(stream, partitions) for stream in streams])
    headers = {_PARTITIONS: f"{partitions} {each.hex()}"}
    return OutMessage(many_subject(names, len(data)), b"[" + b",".join(data) + b"]", headers)


def partition_in(subject: str) -> int | None:
    """The partition of the one command in a message of this subject; None for several."""
    return None if _MANY in subject else int(subject.rsplit(".", 2)[1])


def count_in(subject: str) -> int:
    """The number of commands in a message of this subject."""
    return int(subject[subject.rindex(".") + 1 :]) if _MANY in subject else 1


def commands_in(subject: str, data: bytes) -> list[SubmittedCommand]:
    """The commands of a message. Raises msgspec.DecodeError."""
    return _decoder_of_many.decode(data) if _MANY in subject else [_decoder.decode(data)]


def commands_of(
    wanted: Container[int], partitions: int, data: bytes, raw_headers: bytes
) -> list[SubmittedCommand]:
    """The commands of these partitions in a message of several. Raises msgspec.DecodeError and ValueError.

    partitions: how many there are. Without a header (from a process of the version before), or with one for
    another number of partitions, all commands are decoded to see their streams.
    """
    found = _PARTITIONS_LINE.search(raw_headers)
    if found is None or int(found[1]) != partitions:
        return [c for c in _decoder_of_many.decode(data) if partition_of(c.stream, partitions) in wanted]
    each = bytes.fromhex(found[2].decode())
    pairs = zip(_splitter.decode(data), each, strict=True)
    return [_decoder.decode(document) for document, partition in pairs if partition in wanted]


def correlations_in(data: bytes) -> list[bytes]:
    """The correlation ids in a message, as text. It is fast because the message is not decoded.

    The result may contain other ids from the data of the commands.
    """
    return _CORRELATION.findall(data)
