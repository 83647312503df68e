"""Encodes an event as a message of EVENTS, and decodes it.

The form is a public contract: docs/contract.md.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from commander.eventstore.records import RecordedEvent
from commander.streaming.nats.chunks import OutMessage
from commander.streaming.nats.names import Names
from commander.streaming.nats.ordered_consumer import InMessage
from commander.streaming.nats.streams import event_subject, parse_event_subject


def message_of(names: Names, event: RecordedEvent) -> OutMessage:
    """The message of an event. Its sequence must be the event's position."""
    headers = {
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


def event_of(message: InMessage) -> RecordedEvent:
    """The event of a message."""
    headers = message.headers
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
