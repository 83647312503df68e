"""The context that a decider may take, and the check of the events that it returns."""

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
    """The third argument of a decider that declares one.

    now: the time of the decision, in UTC. Use it instead of the clock: tests set it.
    actor: the sender of the command; None if unknown.
    """

    command_id: UUID
    correlation_id: UUID
    now: datetime
    actor: str | None = None


def events_of(answer: object, allowed: Mapping[type, EventType], decider: str) -> tuple[Any, ...]:
    """The events that a decider returned: None, one event, or an iterable of events.

    Raises InvalidDecision for any other value, and for an event that breaks a constraint of its fields.
    """
    if answer is None:
        return ()
    if type(answer) in allowed or isinstance(answer, str | bytes) or not isinstance(answer, Iterable):
        answer = (answer,)
    events = tuple(answer)
    for event in events:
        type_ = allowed.get(type(event))
        if isinstance(event, Exception):
            raise InvalidDecision(f"{decider} returned {type(event).__name__}; write raise, not return")
        if type_ is None:
            problem = f"returned {type(event).__name__}, which is not an event of its aggregate"
            raise InvalidDecision(f"{decider} {problem}")
        problems = problems_of(type_.fields, event)
        if problems:
            raise InvalidDecision(f"{decider} returned {type_.name} with {described(problems)}")
    return events
