"""Test an aggregate: given events, when a command, then events or a refusal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from commander.domain import (
    CommandContext,
    Domain,
    Forbidden,
    InvalidCommand,
    Origin,
    Rejected,
    SubmitContext,
    Verdict,
    Viewer,
)
from commander.domain.messages import CommandType
from commander.domain.new_ids import ids_of_hooks
from commander.testing.domains import NOW, domain_of
from commander.testing.streams import Streams

_ID = UUID(int=1)

Refusal = Rejected | InvalidCommand | Forbidden
REFUSALS = (Rejected, InvalidCommand, Forbidden)
"""Why a command is not applied."""


def given(*events: Any) -> Given:
    """The events before the command, oldest first. There may be none.

    They are of the one stream that the command is decided on. For a command with a decider over several
    states, or of an aggregate with unique keys, they are of several streams; then the key in an event says of
    which one it is.
    """
    return Given(events)


@dataclass(frozen=True)
class Given:
    """The events before the command. viewer: who sends it; None: authentication is off."""

    events: tuple[Any, ...]
    viewer: Viewer | None = None

    def as_viewer(self, viewer: Viewer) -> Given:
        """The same events, for a command that this viewer sends. So the rule of the command holds."""
        return Given(self.events, viewer)

    def when(
        self,
        command: Any,
        *,
        now: datetime = NOW,
        actor: str | None = None,
        origin: Origin = Origin.CLIENT,
    ) -> Decided:
        """Checks the command and its rule, runs the hooks and decides, as Commander does.

        The events, those before and those decided, are checked and read back from JSON as Commander stores
        them. A Forbidden, a Rejected and an InvalidCommand are part of the result. Any other exception is
        raised.
        Raises AssertionError for a code that clients would see as UNKNOWN; TypeError for a command or event
        of another aggregate or domain, and for an event before the command that could not be stored.
        """
        domain = domain_of(command)
        type_ = domain.type_of(command)
        if not isinstance(type_, CommandType):
            raise TypeError(f"{type_.name} is an event; when() takes a command")
        streams = Streams(domain, type_, self.events)
        rights = None if self.viewer is None else domain.rights(self.viewer)
        if actor is None and self.viewer is not None:
            actor = self.viewer.subject
        try:
            verdict = Verdict.ALLOWED if rights is None else rights.may_submit(type_, command)
            if verdict is Verdict.FORBIDDEN:
                raise Forbidden
            type_.check(command)
            stream = domain.stream_of(command)
            with ids_of_hooks(_ID):
                command = domain.prepared(type_, command, SubmitContext(_ID, _ID, stream, origin, now, actor))
        except REFUSALS as refusal:
            return _refused(domain, type_, refusal)
        state = streams.read(command)
        try:
            if rights is not None and verdict is Verdict.NEEDS_STATE:
                sender = rights.sender(type_, verdict)
                if not domain.may_send(type_, sender, command, state):
                    raise Forbidden
            context = CommandContext(_ID, _ID, now, actor)
            return Decided(streams.decide(command, lambda: context), None)
        except REFUSALS as refusal:
            return _refused(domain, type_, refusal)


def _refused(domain: Domain, type_: CommandType, refusal: Refusal) -> Decided:
    """Raises AssertionError for a code that clients would see as UNKNOWN."""
    if isinstance(refusal, Rejected) and (problem := domain.undeclared(type_, refusal.code)):
        raise AssertionError(problem) from refusal
    return Decided((), refusal)


@dataclass(frozen=True)
class Decided:
    """The result of a command. refusal: why it was not applied; None if it was."""

    events: tuple[Any, ...]
    refusal: Refusal | None

    def then(self, *expected: Any) -> None:
        """Asserts the events, in order. Given a Rejected: asserts its code, and its message unless empty.

        Given Forbidden: asserts that the viewer may not send the command.
        """
        if len(expected) == 1 and (expected[0] is Forbidden or isinstance(expected[0], Forbidden)):
            assert isinstance(self.refusal, Forbidden), f"expected Forbidden, got {self}"
            return
        if len(expected) == 1 and isinstance(expected[0], Rejected):
            self._then_rejected(expected[0])
            return
        assert self.refusal is None, f"expected {list(expected)}, got {self.refusal!r}"
        assert self.events == expected, f"expected {list(expected)}, got {list(self.events)}"

    def then_invalid(self, *path: str, message: str | None = None) -> None:
        """Asserts that the command's input breaks a constraint of the field at `path`.

        message: what the client is told; None: anything.
        """
        assert isinstance(self.refusal, InvalidCommand), f"expected invalid input, got {self}"
        found = [problem.message for problem in self.refusal.problems if problem.path == path]
        assert found, str(self.refusal)
        assert message is None or message in found, f"expected {message!r}, got {self.refusal}"

    def _then_rejected(self, expected: Rejected) -> None:
        assert isinstance(self.refusal, Rejected), f"expected {expected!r}, got {self}"
        assert self.refusal.code == expected.code, f"expected {expected.code}, got {self.refusal}"
        assert expected.message in ("", self.refusal.message), f"expected {expected}, got {self.refusal}"
