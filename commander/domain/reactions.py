"""The results of a reactor: commands, delayed commands and its next state."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, get_args

from commander.domain.errors import DefinitionError, InvalidDecision
from commander.domain.source import running

Begins = Literal["now", "beginning"]
"""Where a new reactor or effect begins if the log has events: after the newest one, or with the first."""


def check_begins(begins: Begins | None, label: str) -> None:
    """Raises DefinitionError for a value that a type checker would refuse."""
    if begins is not None and begins not in get_args(Begins):
        allowed = " or ".join(repr(one) for one in get_args(Begins))
        raise DefinitionError(running(), f"{label}: begins must be {allowed}, got {begins!r}")


@dataclass(frozen=True)
class Later:
    """A delayed command in a reactor's result. after: the delay, counted from the time of the event."""

    command: Any
    after: timedelta = field(kw_only=True)

    def __post_init__(self) -> None:
        if self.after <= timedelta(0):
            problem = f"after must be greater than zero, got {self.after}"
            raise InvalidDecision(f"{type(self).__name__}: {problem}")


@dataclass(frozen=True)
class Deadline(Later):
    """A delayed command that is cancelled when the reactor handles another event of the same key, or ends.

    The command may already be sent when that event arrives. So its decider must be able to reject it.
    """


@dataclass(frozen=True)
class Reaction:
    """The result of one event. state: the state after it; None if there is none."""

    state: Any | None
    commands: tuple[Any, ...]
    """In the order of sending. Each is a command, or a Later with a command."""


def answered(answer: Any, state: Any, reactor: str, *, keyed: bool) -> Reaction:
    """Splits a handler's result: None, a command, a Later, a Deadline, the next state, or several of these.

    state: the state before; it stays if the result has none. Raises InvalidDecision for any other value.
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
            raise InvalidDecision(f"the reactor {reactor} has no key; a Deadline needs one, use Later")
        command = one.command if isinstance(one, Later) else one
        if not hasattr(type(command), "__commander__"):
            problem = f"returned {type(command).__name__}, which is not a command"
            raise InvalidDecision(f"the reactor {reactor} {problem}")
        commands.append(one)
    if states > 1:
        raise InvalidDecision(f"the reactor {reactor} returned {states} states; return at most one")
    return Reaction(state, tuple(commands))
