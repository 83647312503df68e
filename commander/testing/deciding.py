"""Test an aggregate: given events, when a command, then events or a refusal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from commander.domain import (
    CommandContext,
    Forbidden,
    InvalidCommand,
    Origin,
    Rejected,
    SubmitContext,
    Verdict,
    Viewer,
)
from commander.domain.checking import problems_of
from commander.domain.errors import described
from commander.domain.messages import CommandType, EventType
from commander.domain.new_ids import ids_of_hooks
from commander.testing.domains import NOW, domain_of

_ID = UUID(int=1)


def given(*events: Any) -> Given:
    """The events of the one stream that the command is decided on, oldest first. There may be none."""
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
        aggregate = domain.aggregate_of_command(type_.name)
        for event in self.events:
            if type(event) not in aggregate.evolvers:
                name = type(event).__name__
                raise TypeError(f"{name} is not an event of the aggregate {aggregate.name}")
        state = aggregate.fold(map(_stored, self.events))
        rights = None if self.viewer is None else domain.rights(self.viewer)
        if actor is None and self.viewer is not None:
            actor = self.viewer.subject
        try:
            verdict = Verdict.ALLOWED if rights is None else rights.may_submit(type_, command)
            if verdict is Verdict.FORBIDDEN:
                raise Forbidden
            type_.check(command)
            stream = aggregate.stream_of(command)
            with ids_of_hooks(_ID):
                command = domain.prepared(type_, command, SubmitContext(_ID, _ID, stream, origin, now, actor))
            if rights is not None and verdict is Verdict.NEEDS_STATE:
                sender = rights.sender(type_, verdict)
                if not domain.may_send(type_, sender, command, aggregate.own(state)):
                    raise Forbidden
            context = CommandContext(_ID, _ID, now, actor)
            events = domain.decided(aggregate, state, command, lambda: context)
            for event in events:
                state = aggregate.evolve(state, domain.event_of[type(event)].read_back(event)[1])
            return Decided(events, None)
        except (Forbidden, Rejected, InvalidCommand) as refusal:
            if isinstance(refusal, Rejected) and (problem := domain.undeclared(type_, refusal.code)):
                raise AssertionError(problem) from refusal
            return Decided((), refusal)


def _stored(event: Any) -> Any:
    """The event as it is read back. Raises TypeError if it would not have been stored."""
    type_ = domain_of(event).type_of(event)
    if problems := problems_of(type_.fields, event):
        raise TypeError(f"{type_.name} could not be stored: {described(problems)}")
    assert isinstance(type_, EventType), "the aggregate has evolved by it"
    return type_.read_back(event)[1]


@dataclass(frozen=True)
class Decided:
    """The result of a command. refusal: why it was not applied; None if it was."""

    events: tuple[Any, ...]
    refusal: Rejected | InvalidCommand | Forbidden | None

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
