"""Tests of a domain without servers.

Test an aggregate: given events, when a command, then events or a rejection.

given(AccountOpened(id, "Ada")).when(Withdraw(id, Decimal(5))).then(Rejected("INSUFFICIENT_FUNDS"))

Test a reactor or a process with a simulated clock: a timedelta among the events moves the clock.

process(bank, "transfers").given(TransferRequested(…)).when(timedelta(minutes=5)).then(ExpireTransfer(…))
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from commander.domain import (
    CommandContext,
    Deadline,
    Domain,
    InvalidCommand,
    Later,
    Origin,
    ReactionRejected,
    ReactorType,
    Rejected,
    SubmitContext,
)
from commander.domain.checking import problems_of
from commander.domain.errors import described
from commander.domain.messages import CommandType, EventType
from commander.domain.new_ids import ids_of_hooks, ids_of_reaction

_NOW = datetime(2000, 1, 1, tzinfo=UTC)
_ID = UUID(int=1)


def given(*events: Any) -> Given:
    """The events of the one stream that the command is decided on, oldest first. There may be none."""
    return Given(events)


@dataclass(frozen=True)
class Given:
    """The events before the command."""

    events: tuple[Any, ...]

    def when(
        self,
        command: Any,
        *,
        now: datetime = _NOW,
        actor: str | None = None,
        origin: Origin = Origin.CLIENT,
    ) -> Decided:
        """Checks the command, runs the hooks and decides, as Commander does.

        The events, those before and those decided, are checked and read back from JSON as Commander stores
        them. A Rejected and an InvalidCommand are part of the result. Any other exception is raised.
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
        try:
            type_.check(command)
            stream = aggregate.stream_of(command)
            with ids_of_hooks(_ID):
                command = domain.prepared(type_, command, SubmitContext(_ID, _ID, stream, origin, now, actor))
            context = CommandContext(_ID, _ID, now, actor)
            events = domain.decided(aggregate, state, command, lambda: context)
            for event in events:
                state = aggregate.evolve(state, domain.event_of[type(event)].read_back(event)[1])
            return Decided(events, None)
        except (Rejected, InvalidCommand) as refusal:
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
    """The result of a command. refusal: the rejection or the invalid input; None if it was applied."""

    events: tuple[Any, ...]
    refusal: Rejected | InvalidCommand | None

    def then(self, *expected: Any) -> None:
        """Asserts the events, in order. Given a Rejected: asserts its code, and its message unless empty."""
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


class Reactors:
    """Reactors of a domain in memory: their states, their delayed commands and a simulated clock.

    only: the names of the reactors to run; by default all.
    """

    def __init__(self, domain: Domain, *only: str, now: datetime = _NOW) -> None:
        domain.check()
        wanted = only or domain.reactors
        self._reactors = [domain.reactors[domain.names.stored("reactor", name) or name] for name in wanted]
        self._later: list[_Later] = []
        self._position = 0
        self.now = now
        self.states: dict[tuple[str, str], Any] = {}

    def react(self, happening: Any) -> list[Any]:
        """The commands sent for an event or a ReactionRejected, or while a timedelta passes."""
        if isinstance(happening, timedelta):
            return self._pass(happening)
        self._position += 1
        return [command for reactor in self._reactors for command in self._sent(reactor, happening)]

    def _sent(self, reactor: ReactorType, event: Any) -> list[Any]:
        key = None if reactor.key is None else _key_of(reactor, event)
        if reactor.key is not None and key is None:
            return []
        place = reactor.name, key or ""
        with ids_of_reaction(reactor.name, self._position):
            reaction = reactor.react(self.states.get(place), event)
        if reaction is None:
            return []
        self._later = [one for one in self._later if one.place != place]
        if reaction.state is None:
            self.states.pop(place, None)
        elif reactor.key is not None:
            self.states[place] = reactor.decode(reactor.encode(reaction.state))
        for one in reaction.commands:
            command = one.command if isinstance(one, Later) else one
            type_ = domain_of(command).type_of(command)
            if isinstance(type_, CommandType):
                type_.check(command)
            if isinstance(one, Later):
                of = place if isinstance(one, Deadline) and reaction.state is not None else None
                self._later.append(_Later(self.now + one.after, one.command, of))
        return [one for one in reaction.commands if not isinstance(one, Later)]

    def _pass(self, time: timedelta) -> list[Any]:
        self.now += time
        due = sorted((one for one in self._later if one.due <= self.now), key=lambda one: one.due)
        self._later = [one for one in self._later if one.due > self.now]
        return [one.command for one in due]


@dataclass(frozen=True)
class _Later:
    """A delayed command. place: the reactor and key whose next event cancels it; None if none does."""

    due: datetime
    command: Any
    place: tuple[str, str] | None


def process(domain: Domain, reactor: str) -> ProcessGiven:
    """The process or reactor with this name, before any event."""
    return ProcessGiven(domain, reactor, ())


@dataclass(frozen=True)
class ProcessGiven:
    """A process or reactor, and its triggers so far."""

    domain: Domain
    reactor: str
    happened: tuple[Any, ...]

    def given(self, *happened: Any) -> ProcessGiven:
        """The triggers so far, in order: events, ReactionRejected, and timedeltas between them."""
        return ProcessGiven(self.domain, self.reactor, self.happened + happened)

    def when(self, happening: Any) -> Reacted:
        """One more trigger: an event, a ReactionRejected or a timedelta."""
        reactors = Reactors(self.domain, self.reactor)
        for one in self.happened:
            reactors.react(one)
        commands = tuple(reactors.react(happening))
        return Reacted(commands, {key: state for (_, key), state in reactors.states.items()})


@dataclass(frozen=True)
class Reacted:
    """The result of one trigger. states: the current states, by the text of their keys."""

    commands: tuple[Any, ...]
    states: Mapping[str, Any]

    def then(self, *expected: Any) -> Reacted:
        """Asserts the commands that are sent now, in order. Delayed commands come when their time passes."""
        assert self.commands == expected, f"expected {list(expected)}, got {list(self.commands)}"
        return self

    def then_ended(self) -> None:
        """Asserts that no state is left."""
        assert not self.states, f"expected no state, got {dict(self.states)}"


def new_id_of(reactor: str, position: int, index: int = 0) -> UUID:
    """The id that `new_id()` makes in the code of a reactor or a process: the same in each run of a test.

    reactor: its stored name. position: the number of the trigger among those of the test, from 1, without the
    timedeltas. index: how many ids its reaction has made before.
    """
    ids = ids_of_reaction(reactor, position)
    return [ids.next() for _ in range(index + 1)][index]


def reactions(domain: Domain, event: Any, *, after: Iterable[Any] = ()) -> list[Any]:
    """The commands that the domain's reactors send for `event`, an event or a ReactionRejected.

    after: earlier triggers, for reactors with state.
    """
    reactors = Reactors(domain)
    for one in after:
        reactors.react(one)
    return reactors.react(event)


def rows(domain: Domain, projection: str, events: Iterable[Any]) -> dict[Any, Any]:
    """The rows of a projection after these events, by key. Raises what the projection raises."""
    type_ = domain.projections[projection]
    table: dict[Any, Any] = {}
    for event in events:
        handler = type_.handlers.get(type(event))
        if handler is None:
            continue
        if handler.column is None:
            keys = handler.keys(event)
        else:
            column, field = handler.column
            value = getattr(event, field)
            keys = [k for k, row in table.items() if value is not None and getattr(row, column) == value]
        for key in keys:
            row = type_.apply(table.get(key), event, key)
            if row is None:
                table.pop(key, None)
            else:
                table[key] = row
    return table


def _key_of(reactor: ReactorType, trigger: Any) -> str | None:
    """The key in a trigger; None if the reactor does not handle it."""
    if isinstance(trigger, ReactionRejected):
        taken = type(trigger.command) in reactor.rejections
    else:
        taken = reactor.takes(type(trigger))
    return reactor.key_of(trigger) if taken else None


def domain_of(message: Any) -> Domain:
    """The domain of an event or a command, checked as it is when it is loaded.

    Raises TypeError if it belongs to no domain, and DefinitionError.
    """
    owner = getattr(type(message), "__commander__", (None,))[0]
    if not isinstance(owner, Domain):
        raise TypeError(f"{type(message).__name__} is not an event or a command of a domain")
    owner.check()
    return owner
