"""Encodes an event as a message of EVENTS, and decodes it.

The form is a public contract: docs/contract.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from commander.domain.errors import CommanderError
from commander.eventstore.records import RecordedEvent
from commander.streaming.nats.chunks import InMessage, OutMessage
from commander.streaming.nats.names import Names
from commander.streaming.nats.streams import event_subject, parse_event_subject

_EPOCH = "Commander-Epoch"


class ForeignMessage(CommanderError):
    """A message of EVENTS that is not an event: somebody else has published it. message: the message."""

    def __init__(self, message: InMessage) -> None:
        super().__init__(f"message {message.sequence}, with the subject {message.subject}, is not an event")
        self.message = message


def message_of(names: Names, event: RecordedEvent) -> OutMessage:
    """The message of an event. Its sequence must be the event's position."""
    headers = {
        _EPOCH: names.epoch_at(event.position),
        "Commander-Version": str(event.version),
        "Commander-Schema-Version": str(event.schema_version),
        "Commander-Command-Id": str(event.command_id),
        "Commander-Correlation-Id": str(event.correlation_id),
        "Commander-Recorded-At": event.recorded_at.isoformat(),
    }
    if event.causation_position is not None:
        headers["Commander-Causation-Position"] = str(event.causation_position)
    if event.traceparent is not None:
        headers["traceparent"] = event.traceparent
    return OutMessage(event_subject(names, event), event.data.encode(), headers)


def epoch_of(message: InMessage) -> int | None:
    """The epoch that a message carries; None if it has none: an earlier version has published it."""
    epoch = message.headers.get(_EPOCH, "")
    return int(epoch) if epoch.isdecimal() else None


def event_of(message: InMessage) -> RecordedEvent:
    """The event of a message. Raises ForeignMessage if it is not an event."""
    try:
        return _event_of(message, message.headers)
    except (KeyError, ValueError, UnicodeDecodeError) as error:
        raise ForeignMessage(message) from error


def believed(names: Names, message: InMessage) -> RecordedEvent | None:
    """The event of a message that carries the epoch of the log at its position. None for any other message.

    Messages without an epoch are of an earlier version, or of somebody else. The log has what they stand for.
    """
    headers = message.headers
    if headers.get(_EPOCH) != names.epoch_at(message.sequence):
        return None
    try:
        return _event_of(message, headers)
    except (KeyError, ValueError, UnicodeDecodeError):
        return None


def _event_of(message: InMessage, headers: Mapping[str, str]) -> RecordedEvent:
    type_, stream = parse_event_subject(message.subject)
    causation = headers.get("Commander-Causation-Position")
    return RecordedEvent(
        position=message.sequence,
        stream=stream,
        version=int(headers["Commander-Version"]),
        type=type_,
        schema_version=int(headers["Commander-Schema-Version"]),
        data=message.data.decode(),
        command_id=UUID(headers["Commander-Command-Id"]),
        correlation_id=UUID(headers["Commander-Correlation-Id"]),
        causation_position=None if causation is None else int(causation),
        recorded_at=datetime.fromisoformat(headers["Commander-Recorded-At"]),
        traceparent=headers.get("traceparent"),
    )
