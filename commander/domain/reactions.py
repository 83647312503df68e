"""What a reactor answers: commands, commands for later, and its own next state."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from commander.domain.errors import InvalidDecision


@dataclass(frozen=True)
class Later:
    """A reactor's answer: a command that is sent after a while. It is counted from the event's own time."""

    command: Any
    after: timedelta = field(kw_only=True)

    def __post_init__(self) -> None:
        if self.after <= timedelta(0):
            raise InvalidDecision(f"{type(self).__name__}: after must be more than nothing, got {self.after}")


@dataclass(frozen=True)
class Deadline(Later):
    """As Later, unless the reactor handles another event of the same key before, or the process ends.

    The command may be on its way already when that event comes: whoever decides it must be able to refuse it.
    """


@dataclass(frozen=True)
class Reaction:
    """What follows from one event. state: after it, None for no state (any more)."""

    state: Any | None
    commands: tuple[Any, ...]
    """In order; each a command, or a Later with one."""


def answered(answer: Any, state: Any, reactor: str, *, keyed: bool) -> Reaction:
    """Takes a handler's answer apart: nothing, a command, Later, Deadline, the new state, or several of them.

    Raises InvalidDecision for anything else.
    """
    if answer is None:
        return Reaction(state, ())
    given = tuple(answer) if isinstance(answer, Iterable) and not isinstance(answer, str) else (answer,)
    commands = []
    cls, states = type(state), 0
    for one in given:
        if keyed and type(one) is cls:
            state, states = one, states + 1
            continue
        if isinstance(one, Deadline) and not keyed:
            raise InvalidDecision(f"the reactor {reactor} has no key, so no Deadline; use Later")
        command = one.command if isinstance(one, Later) else one
        if not hasattr(type(command), "__commander__"):
            raise InvalidDecision(f"the reactor {reactor} returned {type(command).__name__}, no command")
        commands.append(one)
    if states > 1:
        raise InvalidDecision(f"the reactor {reactor} returned {states} states")
    return Reaction(state, tuple(commands))
