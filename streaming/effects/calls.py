"""A call of an effect that is to be made, and its record after it was cancelled."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from commander.eventstore.reactions.calls import CallRecord, CallState
from commander.eventstore.records import RecordedEvent


@dataclass
class Call:
    """A call to be made. before: its record before the running attempt. retry: it was a dead letter."""

    event: RecordedEvent
    instance: Any
    record: CallRecord
    retry: bool
    before: CallRecord | None = None
    attempt: asyncio.Task[str | None] | None = None


def record_after_cancel(call: Call) -> CallRecord:
    """The record of a cancelled call: done if it ended before, else as before this attempt."""
    assert call.before is not None, "the call was running"
    attempt = call.attempt
    if attempt is None or attempt.cancelled() or attempt.result() is not None or call.retry:
        return call.before
    return call.record._replace(state=CallState.DONE)
