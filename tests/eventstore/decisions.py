"""Decisions made up for the store, which does not know what they mean."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec

from commander.domain.digests import stored_digest
from commander.eventstore.records import Decision, NewEvent, Status, SubmittedCommand

NOW = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
"""What a decider was given as now."""


def command(stream: str, **given: Any) -> SubmittedCommand:
    """A command for this stream; its data is unlike any other's."""
    command_id = uuid4()
    values: dict[str, Any] = {
        "command_id": command_id,
        "type": "Open",
        "stream": stream,
        "data": msgspec.Raw(json.dumps({"n": str(uuid4())}).encode()),
        "correlation_id": command_id,
        "submitted_at": datetime.now(UTC),
    }
    return SubmittedCommand(**{**values, **given})


def new_event(type_: str = "Opened") -> NewEvent:
    return NewEvent(type_, 1, json.dumps({"n": str(uuid4()), "text": "ü \\u0000 🏦"}))


def decision(stream: str, after: int, count: int = 1, type_: str = "Opened", **given: Any) -> Decision:
    """An applied command: `count` events on a stream that stands at version `after`."""
    made = command(stream, **given)
    events = tuple(new_event(type_) for _ in range(count))
    return Decision(made, digest_of(made), Status.APPLIED, after + count, events, decider_now=NOW)


def refusal(stream: str, version: int, status: Status = Status.REJECTED, **given: Any) -> Decision:
    """A refused command; where a reactor sent it, with the event that tells it."""
    made = command(stream, **given)
    rejection = new_event("ReactionRejected") if made.reactor else None
    return Decision(
        made, digest_of(made), status, version, rejection=rejection, code="NO", message="it is not possible"
    )


def digest_of(made: SubmittedCommand) -> bytes:
    return stored_digest(made.type, bytes(made.data))
