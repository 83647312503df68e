"""Tests of a domain, without servers: given events, when a command, then events or a rejection.

given(AccountOpened(id, "Ada")).when(Withdraw(id, Decimal(5))).then(Rejected("INSUFFICIENT_FUNDS"))
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from commander.domain import CommandContext, Domain, InvalidCommand, Rejected
from commander.domain.messages import CommandType

_NOW = datetime(2000, 1, 1, tzinfo=UTC)
_ID = UUID(int=1)


def given(*events: Any) -> Given:
    """The history of the one stream that the command will be decided on, oldest first; may be empty."""
    return Given(events)


@dataclass(frozen=True)
class Given:
    events: tuple[Any, ...]

    def when(self, command: Any, *, now: datetime = _NOW, actor: str | None = None) -> Decided:
        """Checks and decides the command as the processor would. Other exceptions than Rejected pass."""
        domain = domain_of(command)
        type_ = domain.type_of(command)
        if not isinstance(type_, CommandType):
            raise TypeError(f"{type_.name} is an event; when() takes a command")
        aggregate = domain.aggregate_of_command(type_.name)
        for event in self.events:
            if type(event) not in aggregate.evolvers:
                raise TypeError(f"{type(event).__name__} is no event of the aggregate {aggregate.name}")
        state = aggregate.fold(self.events)
        try:
            type_.check(command)
            return Decided(
                aggregate.decide(state, command, lambda: CommandContext(_ID, _ID, now, actor)), None
            )
        except (Rejected, InvalidCommand) as refusal:
            return Decided((), refusal)


@dataclass(frozen=True)
class Decided:
    events: tuple[Any, ...]
    refusal: Rejected | InvalidCommand | None

    def then(self, *expected: Any) -> None:
        """Asserts the events, in order; or, given one Rejected, its code (and message, unless empty)."""
        if len(expected) == 1 and isinstance(expected[0], Rejected):
            self._then_rejected(expected[0])
            return
        assert self.refusal is None, f"expected {list(expected)}, but it was refused: {self.refusal}"
        assert self.events == expected, f"expected {list(expected)}, got {list(self.events)}"

    def then_invalid(self, *path: str) -> None:
        """Asserts that the input broke a constraint on the field at `path`."""
        assert isinstance(self.refusal, InvalidCommand), f"expected invalid input, got {self}"
        assert path in [problem.path for problem in self.refusal.problems], str(self.refusal)

    def _then_rejected(self, expected: Rejected) -> None:
        assert isinstance(self.refusal, Rejected), f"expected {expected!r}, got {self}"
        assert self.refusal.code == expected.code, f"expected {expected.code}, got {self.refusal}"
        assert expected.message in ("", self.refusal.message), f"expected {expected}, got {self.refusal}"


def reactions(domain: Domain, event: Any) -> list[Any]:
    """The commands that the domain's reactors send on `event` (an event or a ReactionRejected)."""
    return [command for reactor in domain.reactors.values() for command in reactor.react(event)]


def rows(domain: Domain, projection: str, events: Iterable[Any]) -> dict[Any, Any]:
    """The rows of a projection, by key, after these events."""
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


def domain_of(message: Any) -> Domain:
    """The domain of an event or command; checked as a whole, so that a test meets what loading would."""
    owner = getattr(type(message), "__commander__", (None,))[0]
    if not isinstance(owner, Domain):
        raise TypeError(f"{type(message).__name__} is no event or command of a domain")
    owner.check()
    return owner
