"""Guards: methods of an aggregate that refuse commands by the state alone.

    @guards(Deposit, Withdraw)
    def is_open(self) -> None:
        if self.closed:
            raise Rejected("ACCOUNT_CLOSED", "the account is closed")

A guard runs before the decider of each of its commands, so a decider need not repeat it. It needs no input.
So the API asks it before there is a command, too; see affordances.py.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, Never, NoReturn, TypeVar

from commander.domain.errors import DefinitionError, InvalidDecision, Rejected
from commander.domain.guarding import guarded
from commander.domain.handlers import hints_of
from commander.domain.source import running, where_is

G = TypeVar("G", bound=Callable[[Any], None])
_MARK = "__commander_guards__"
_USAGE = "write the decorator with the commands: @guards(Withdraw, Close)"


@dataclass(frozen=True)
class Guard:
    """A guard of an aggregate. name: of its method, as Account.is_open. where: file:line."""

    name: str
    function: Callable[[Any], Any]
    where: str

    def __call__(self, state: Any) -> None:
        """Raises Rejected if it refuses, InvalidDecision if it returns a value, and whatever it raises."""
        answer = self.function(state)
        if answer is not None:
            problem = f"returned {answer!r:.80}; a guard returns None, or raises Rejected"
            raise InvalidDecision(f"{self.name} {problem}")

    def refusal(self, state: Any) -> Rejected | None:
        """Why it refuses; None if it does not. Raises RuleFailed if it fails."""

        def asked() -> Rejected | None:
            try:
                self(state)
            except Rejected as rejection:
                return rejection
            return None

        found: Rejected | None = guarded(asked, f"the guard {self.name}")
        return found


def guards(*commands: type[Any]) -> Callable[[G], G]:
    """Makes a method of an aggregate a guard of these commands: it refuses them by the state alone.

    The method takes nothing but self, the state. It is pure. It raises Rejected to refuse, or returns None.
    The guards of a command run before its decider, in the order of the source. Raises DefinitionError.
    """
    where = running()
    if not commands or not all(isinstance(one, type) for one in commands):
        raise DefinitionError(where, _USAGE)

    def mark(function: G) -> G:
        if not inspect.isfunction(function):
            raise DefinitionError(where, f"{function!r:.80}: a guard must be a plain method")
        if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
            problem = "a guard must be a plain method, not async and not a generator"
            raise DefinitionError(where, f"{function.__name__}: {problem}")
        parameters = list(inspect.signature(function).parameters.values())
        if len(parameters) != 1 or parameters[0].kind not in (
            inspect.Parameter.POSITIONAL_ONLY,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
        ):
            problem = "a guard takes self, the state, and nothing else; what needs the command is a decider's"
            raise DefinitionError(where, f"{function.__name__}: {problem}")
        setattr(function, _MARK, (*getattr(function, _MARK, ()), *commands))
        return function

    return mark


def guards_of(cls: type, commands_known: Container[type]) -> Mapping[type, tuple[Guard, ...]]:
    """The guards of an aggregate, by command. commands_known: those that it may turn out to decide.

    A decider over several states is defined after the aggregate. So `check_guards` checks the rest later.
    Raises DefinitionError.
    """
    found: dict[type, tuple[Guard, ...]] = {}
    for name, function, commands in _marked(cls):
        guard = Guard(f"{cls.__name__}.{name}", function, where_is(function))
        returns = hints_of(function, guard.where, guard.name, {cls.__name__: cls}).get("return", Any)
        if returns not in (NoneType, Any, NoReturn, Never):
            problem = "a guard returns None: let it raise Rejected, and annotate it with None"
            raise DefinitionError(guard.where, f"{guard.name}: {problem}")
        for command in dict.fromkeys(commands):
            if command not in commands_known:
                raise _undecided(cls, command, guard)
            found[command] = (*found.get(command, ()), guard)
    return found


def check_guards(cls: type, guards: Mapping[type, Sequence[Guard]], decides: Callable[[type], bool]) -> None:
    """Raises DefinitionError for a guard of a command that the aggregate does not decide.

    decides: whether it decides the commands of a class, or is the first state of their decider.
    """
    for command, guards_of_command in guards.items():
        if not decides(command):
            raise _undecided(cls, command, guards_of_command[0])


def _undecided(cls: type, command: type, guard: Guard) -> DefinitionError:
    problem = f"{cls.__name__} does not decide {command.__name__}"
    return DefinitionError(guard.where, f"{guard.name}: {problem}")


def _marked(cls: type) -> Iterator[tuple[str, Callable[[Any], Any], tuple[type, ...]]]:
    """The guards in the body of a class. Raises DefinitionError for one that the class inherits.

    Deciders and evolvers are not inherited either. That would show; a guard that does not run would not.
    """
    for base in cls.__mro__:
        for name, member in vars(base).items():
            if isinstance(member, classmethod | staticmethod):
                member = member.__func__
            commands = getattr(member, _MARK, None) if inspect.isfunction(member) else None
            if commands is None:
                continue
            label = f"{base.__name__}.{name}"
            if base is not cls:
                problem = f"a guard is not inherited; define it in {cls.__name__}"
                raise DefinitionError(where_is(member), f"{label}: {problem}")
            if member is not vars(base)[name]:
                problem = "a guard must be a plain method: its self is the state"
                raise DefinitionError(where_is(member), f"{label}: {problem}")
            yield name, member, commands
