"""The binds of append.sql that hold decisions and their events: one text for each column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import accumulate
from typing import Any

from commander.eventstore.records import Decision, Guards, NewEvent, Status, SubmittedCommand
from commander.eventstore.sql import array_text

_DATA = 4  # the index of the JSON column in a row, see _row


def event_rows(decisions: Sequence[Decision]) -> tuple[list[tuple[Any, ...]], list[int]]:
    """The events, and for each the place of its command, from 1."""
    rows, made_by = [], []
    for place, decision in enumerate(decisions, 1):
        version = decision.version - sum(event.elsewhere is None for event in decision.events)
        for event in decision.events:
            if event.elsewhere is None:
                version += 1
                rows.append(_row(decision.command.stream, version, event, decision.command))
            else:
                rows.append(_row(*event.elsewhere, event, decision.command))
            made_by.append(place)
        if decision.rejection is not None:
            stream = f"reaction-{decision.command.command_id}"
            rows.append(_row(stream, 1, decision.rejection, decision.command))
            made_by.append(place)
    return rows, made_by


def _row(stream: str, version: int, event: NewEvent, command: SubmittedCommand) -> tuple[Any, ...]:
    return (
        stream,
        version,
        event.type,
        event.schema_version,
        event.data,
        command.command_id,
        command.correlation_id,
        command.causation_position,
    )


def stored_events(decision: Decision) -> int:
    return len(decision.events) + (decision.rejection is not None)


def event_columns(rows: Sequence[tuple[Any, ...]]) -> list[str]:
    """Without what an event has from its command."""
    columns: list[tuple[Any, ...]] = list(zip(*rows, strict=True)) if rows else [()] * (_DATA + 1)
    return [*map(array_text, columns[:_DATA]), _joined(columns[_DATA])]


def command_columns(decisions: Sequence[Decision], commands: Sequence[SubmittedCommand]) -> list[str]:
    counts = [*map(stored_events, decisions)]
    nows = {d.decider_now: None for d in decisions if d.decider_now is not None}
    places: dict[datetime | None, int] = {now: place for place, now in enumerate(nows, 1)}
    return [
        array_text([c.command_id for c in commands]),
        array_text([c.type for c in commands]),
        array_text([c.stream for c in commands]),
        _joined([bytes(c.data).decode() for c in commands]),
        array_text([d.digest.hex() for d in decisions]),
        array_text([d.status for d in decisions]),
        array_text([d.code for d in decisions]),
        array_text([d.message for d in decisions]),
        array_text(counts),
        array_text([d.version for d in decisions]),
        array_text(list(accumulate(counts))),
        array_text([c.reactor for c in commands]),
        array_text([c.actor for c in commands]),
        array_text([c.submitted_at for c in commands]),
        array_text([places.get(d.decider_now) for d in decisions]),
        array_text(list(nows)),
    ]


def rare_columns(decisions: Sequence[Decision], commands: Sequence[SubmittedCommand]) -> list[str | None]:
    """Columns of which often no command has a value. The bind is null then."""
    rare: list[list[Any]] = [
        [None if c.correlation_id.int == c.command_id.int else c.correlation_id for c in commands],
        [c.causation_position for c in commands],
        [c.traceparent for c in commands],
        [_guards(d) for d in decisions],
    ]
    return [None if all(value is None for value in column) else array_text(column) for column in rare]


def _guards(decision: Decision) -> str | None:
    command = decision.command
    if decision.status is not Status.FAILED:
        return None if command.sender is None else Guards(sender=command.sender).encode()
    guards = Guards(command.expected_version, command.rejected, command.sender)
    return None if guards == Guards() else guards.encode()


def _joined(documents: Iterable[str]) -> str:
    """JSON documents as one text. append.sql splits it at U+001F, which JSON contains only escaped."""
    return "\x1f".join(documents)
