"""What a decider may know besides its state and its command, and what it may answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from commander.domain.errors import InvalidDecision


@dataclass(frozen=True)
class CommandContext:
    """Handed to a decider that takes a third parameter.

    now: the moment of deciding (UTC), injected, so that tests choose it.
    actor: who sent the command, if known.
    """

    command_id: UUID
    correlation_id: UUID
    now: datetime
    actor: str | None = None


def events_of(answer: object, allowed: tuple[type, ...], decider: str) -> tuple[Any, ...]:
    """The events a decider answered with: none, one or many. Raises InvalidDecision for anything else."""
    if answer is None:
        return ()
    if isinstance(answer, allowed):
        return (answer,)
    if isinstance(answer, str | bytes) or not isinstance(answer, Iterable):
        raise InvalidDecision(f"{decider} returned {type(answer).__name__}, no event of its aggregate")
    events = tuple(answer)
    for event in events:
        if not isinstance(event, allowed):
            raise InvalidDecision(f"{decider} returned {type(event).__name__}, no event of its aggregate")
    return events
