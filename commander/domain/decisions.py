"""What a decider may know besides its state and its command, and what it may answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from commander.domain.checking import problems_of
from commander.domain.errors import InvalidDecision, described
from commander.domain.messages import EventType


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


def events_of(answer: object, allowed: Mapping[type, EventType], decider: str) -> tuple[Any, ...]:
    """The events a decider answered with: none, one or many.

    Raises InvalidDecision for anything else, and for an event that breaks what its fields declare.
    """
    if answer is None:
        return ()
    if type(answer) in allowed or isinstance(answer, str | bytes) or not isinstance(answer, Iterable):
        answer = (answer,)
    events = tuple(answer)
    for event in events:
        type_ = allowed.get(type(event))
        if type_ is None:
            raise InvalidDecision(f"{decider} returned {type(event).__name__}, no event of its aggregate")
        problems = problems_of(type_.fields, event)
        if problems:
            raise InvalidDecision(f"{decider} returned {type_.name} with {described(problems)}")
    return events
