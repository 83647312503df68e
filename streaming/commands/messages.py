"""The messages of COMMANDS: a command alone, or several that came at once, which share one sync.

commands.<partition>.<command id>
                    one command, found at once by its id
commands.many.<count>
                    that many commands of any partitions, as a JSON array
commands.scheduled.<last two digits of the command id>.<correlation id>.<command id>
                    one command whose time has not come (JetStream's schedules, ADR-51)

The server keeps a scheduled message, restarts included. When it is due, it stores the payload under the
command's own subject, behind what is queued there, and removes the schedule. A second one of the same ids
replaces the first. Schedules are looked for by the command's id and by the correlation's; where a subject
has a '*' the server tries all tokens that stand there. So two digits stand before the ids: by correlation it
tries 256 of them, by command one schedule in 256, and neither way all schedules.
A command whose id the client has chosen comes alone: who sends the same id with other content is told so, and
must be told soon. Of several the rest is found by looking through the queue.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from commander.eventstore.records import SubmittedCommand
from commander.streaming.nats.chunks import OutMessage
from commander.streaming.nats.streams import partition_of

QUEUED = "commands.*.*"
"""The subject of all messages whose commands are due."""
MANY = "commands.many.*"
"""The subject of all messages that hold several commands."""
MAX_TOGETHER = 100
MAX_TOGETHER_BYTES = 256 * 1024

_MANY = "commands.many."
_SCHEDULED = "commands.scheduled."
_CORRELATION = re.compile(rb'"correlation_id":"([0-9a-f-]{36})"')
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(SubmittedCommand)
_decoder_of_many = msgspec.json.Decoder(list[SubmittedCommand])


def command_subject(partition: int | str, command_id: UUID | str) -> str:
    """The subject of a command that comes alone; '*' for any partition, or all of one."""
    return f"commands.{partition}.{command_id}"


def scheduled_subject(command_id: UUID, correlation_id: UUID | str) -> str:
    """The subject of a command whose time has not come; '*' for a correlation that is not known."""
    return f"{_SCHEDULED}{str(command_id)[-2:]}.{correlation_id}.{command_id}"


def scheduled_together(correlation_id: UUID) -> str:
    """The subject of all commands of a correlation whose time has not come."""
    return f"{_SCHEDULED}*.{correlation_id}.*"


def is_scheduled(subject: str) -> bool:
    """Whether a message of this subject is one that is not due: nobody decides it as it stands."""
    return subject.startswith(_SCHEDULED)


def encoded(command: SubmittedCommand) -> bytes:
    return _encoder.encode(command)


def message_of(command: SubmittedCommand, partitions: int, data: bytes | None = None) -> OutMessage:
    """A command alone. data: it, encoded."""
    subject = command_subject(partition_of(command.stream, partitions), command.command_id)
    return OutMessage(subject, encoded(command) if data is None else data, {})


def schedule_of(command: SubmittedCommand, partitions: int, data: bytes) -> OutMessage:
    """A command alone, for its time. data: it, encoded. The server looks for what is due every 250 ms."""
    assert command.not_before is not None, "it has a time"
    due = command.not_before.astimezone(UTC).isoformat().replace("+00:00", "Z")
    target = command_subject(partition_of(command.stream, partitions), command.command_id)
    headers = {"Nats-Schedule": f"@at {due}", "Nats-Schedule-Target": target}
    return OutMessage(scheduled_subject(command.command_id, command.correlation_id), data, headers)


def is_due(command: SubmittedCommand, now: datetime) -> bool:
    """Whether the command may be decided."""
    return command.not_before is None or command.not_before <= now


def message_of_many(data: Sequence[bytes]) -> OutMessage:
    """Several commands, each encoded, in their order."""
    return OutMessage(f"{_MANY}{len(data)}", b"[" + b",".join(data) + b"]", {})


def count_in(subject: str) -> int:
    """How many commands a message of this subject holds."""
    return int(subject.removeprefix(_MANY)) if subject.startswith(_MANY) else 1


def commands_in(subject: str, data: bytes) -> list[SubmittedCommand]:
    """The commands of a message. Raises msgspec.DecodeError."""
    return _decoder_of_many.decode(data) if subject.startswith(_MANY) else [_decoder.decode(data)]


def correlations_in(data: bytes) -> list[bytes]:
    """The correlation ids in a message, as text: quickly, for it is not decoded.

    There may be others among them, from within the commands.
    """
    return _CORRELATION.findall(data)
