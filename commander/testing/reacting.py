"""Test a reactor or a process with a simulated clock: triggers, then commands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from commander.domain import Deadline, Domain, Later, ReactionRejected, ReactorType
from commander.domain.messages import CommandType
from commander.domain.new_ids import ids_of_reaction
from commander.testing.domains import NOW, domain_of


class Reactors:
    """Reactors of a domain in memory: their states, their delayed commands and a simulated clock.

    only: the names of the reactors to run; by default all.
    """

    def __init__(self, domain: Domain, *only: str, now: datetime = NOW) -> None:
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


def _key_of(reactor: ReactorType, trigger: Any) -> str | None:
    """The key in a trigger; None if the reactor does not handle it."""
    if isinstance(trigger, ReactionRejected):
        taken = type(trigger.command) in reactor.rejections
    else:
        taken = reactor.takes(type(trigger))
    return reactor.key_of(trigger) if taken else None
