"""Affordances: which commands a viewer may send now, as far as that is known before their input.

What refuses a command is asked in the order in which it is asked when the command comes: its rule, then its
guards. A guard tells of the state, so it is asked only for who may send the command. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from commander.domain.aggregates import AggregateType
from commander.domain.domain import Domain
from commander.domain.errors import RuleFailed
from commander.domain.messages import CommandType
from commander.domain.rights import FORBIDDEN, FORBIDDEN_MESSAGE, Rights, Verdict, verdict
from commander.domain.rules import parts_of
from commander.domain.unread_commands import Unread, was_read


@dataclass(frozen=True)
class Availability:
    """Whether a viewer may send a command now. command: its name. code, reason: why not; None if it may."""

    command: str
    code: str | None = None
    reason: str | None = None


class _Right(Enum):
    """What is known of a right before the input of the command is."""

    ALLOWED = "ALLOWED"
    FORBIDDEN = "FORBIDDEN"
    NEEDS_STATE = "NEEDS_STATE"
    NEEDS_INPUT = "NEEDS_INPUT"


class NoState(Enum):
    """The state is not read yet."""

    NO_STATE = "NO_STATE"


NO_STATE = NoState.NO_STATE


class Affordances:
    """The commands that clients send to one aggregate. Its functions raise RuleFailed and HandlerTimedOut."""

    def __init__(self, domain: Domain, aggregate: AggregateType) -> None:
        self.aggregate = aggregate
        self._commands = [
            (one, Unread(one.cls, {field.name for field in one.fields}, domain.key_of_command(one.name)))
            for one in domain.commands_of(aggregate)
            if not one.internal
        ]

    def __len__(self) -> int:
        return len(self._commands)

    def known(self, rights: Rights | None, key: Any) -> list[Availability | None]:
        """The commands in the order of their definition. None for one that depends on the state.

        rights: None if authentication is off. key: of the aggregate.
        """
        return [self._of(type_, unread, rights, key, NO_STATE) for type_, unread in self._commands]

    def in_state(self, rights: Rights | None, key: Any, state: Any) -> list[Availability]:
        """The commands in the order of their definition, in this state."""
        found = (self._of(type_, unread, rights, key, state) for type_, unread in self._commands)
        return [one for one in found if one is not None]

    def _of(
        self, type_: CommandType, unread: Unread, rights: Rights | None, key: Any, state: Any
    ) -> Availability | None:
        """None if the state is needed and is not given."""
        own = NO_STATE if state is NO_STATE else self.aggregate.own(state)
        match _Right.ALLOWED if rights is None else _right(rights, type_, unread, key, own):
            case _Right.FORBIDDEN:
                return Availability(type_.name, FORBIDDEN, FORBIDDEN_MESSAGE)
            case _Right.NEEDS_INPUT:
                return Availability(type_.name)
            case _Right.NEEDS_STATE:
                return None
        for guard in self.aggregate.guards.get(type_.cls, ()):
            if own is NO_STATE:
                return None
            if (refusal := guard.refusal(own)) is not None:
                return Availability(type_.name, refusal.code, refusal.message)
        return Availability(type_.name)


def _right(rights: Rights, type_: CommandType, unread: Unread, key: Any, state: Any) -> _Right:
    """Whether the viewer may send the command to the aggregate with this key.

    NEEDS_INPUT: a part of the rule reads a field other than the key, and no other part allows the command.
    """
    if type_.allow is None:
        return _Right.ALLOWED if rights.is_operator else _Right.FORBIDDEN
    has_state, waits, reads = state is not NO_STATE, False, False
    for part in parts_of(type_.allow):
        command = unread.command(key)
        given = rights.viewer.roles, rights.own, command, state, has_state
        try:
            found = verdict(part, type_.name, *given)
        except RuleFailed:
            if not was_read(command):
                raise
        if was_read(command):
            reads = True
        elif found is Verdict.ALLOWED:
            return _Right.ALLOWED
        elif found is Verdict.NEEDS_STATE:
            waits = True
    if waits:
        return _Right.NEEDS_STATE
    return _Right.NEEDS_INPUT if reads else _Right.FORBIDDEN
