"""What can be written again from the rest of the log, or from its mirror."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from commander.domain import Domain, UndecodableEvent, UnknownEvent
from commander.eventstore.records import Outcome, RecordedEvent, Status


def fits(domain: Domain, event: RecordedEvent, outcomes: Mapping[UUID, Outcome]) -> bool:
    """Whether the event can be that of its command's outcome, and can be decoded. outcomes: by command id."""
    outcome = outcomes.get(event.command_id)
    if outcome is None:
        return False
    first = outcome.position - outcome.event_count + 1
    if outcome.status == Status.APPLIED:
        wanted = outcome.stream, outcome.version - (outcome.position - event.position)
    else:
        wanted = f"reaction-{outcome.command_id}", 1
    if not first <= event.position <= outcome.position or (event.stream, event.version) != wanted:
        return False
    if (event.correlation_id, event.causation_position, event.recorded_at) != (
        outcome.correlation_id,
        outcome.causation_position,
        outcome.decided_at,
    ):
        return False
    try:
        domain.decode(event.type, event.schema_version, event.data, event.position)
    except UnknownEvent:
        return True  # other code knows it
    except UndecodableEvent:
        return False
    return True
