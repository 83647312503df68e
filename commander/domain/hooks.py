"""Hooks: functions of a domain's author that run for every command.

client, reactor, tick ─► before_submit ─► COMMANDS ─► decider ─► after_decide ─► commit

Both kinds are pure and synchronous. Hooks run in the order of their definition.
"""

from __future__ import annotations

import inspect
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar, overload
from uuid import UUID

from commander.domain.aggregates import AggregateType
from commander.domain.deciders import DeciderType, Source
from commander.domain.decisions import CommandContext
from commander.domain.errors import DefinitionError, HookFailed, InvalidCommand, Rejected
from commander.domain.handlers import hints_of
from commander.domain.messages import CommandType
from commander.domain.source import running, where_is

H = TypeVar("H", bound=Callable[..., Any])
E = TypeVar("E")


class Origin(Enum):
    """Who sends a command: a client of the API, a reactor, or a function decorated with `every`."""

    CLIENT = "CLIENT"
    REACTOR = "REACTOR"
    RECURRING = "RECURRING"


@dataclass(frozen=True)
class SubmitContext:
    """The second argument of a before_submit hook that declares one.

    now: the time of the request; for a reactor that of its event; for a recurring command that of its tick.
    actor: the sender of the command; None if unknown.
    """

    command_id: UUID
    correlation_id: UUID
    stream: str
    origin: Origin
    now: datetime
    actor: str | None = None


@dataclass(frozen=True)
class Hook:
    """A hook. commands: the classes it runs for; None for all. parameters: how many its function takes."""

    kind: str
    function: Callable[..., Any]
    commands: frozenset[type] | None
    parameters: int

    def __call__(self, *given: Any) -> Any:
        """The result of the function. Raises Rejected, and HookFailed if it raises anything else."""
        try:
            return self.function(*given[: self.parameters])
        except Rejected:
            raise
        except BaseException as error:  # even SystemExit is the failure of one command
            raise self.failed(f"raised {type(error).__name__}: {error}") from error

    def failed(self, reason: str) -> HookFailed:
        """The message names the function, not its file: clients see it."""
        return HookFailed(f"the {self.kind} hook {self.function.__name__} {reason}")


class Hooks:
    """The hooks of one kind, in order; `all` is empty in most domains."""

    def __init__(self) -> None:
        self.all: list[Hook] = []
        self._of: dict[type, tuple[Hook, ...]] = {}

    def add(self, hook: Hook) -> None:
        self.all.append(hook)
        self._of.clear()

    def of(self, command: type) -> tuple[Hook, ...]:
        """The hooks for a class of commands."""
        found = self._of.get(command)
        if found is None:
            found = tuple(hook for hook in self.all if hook.commands is None or command in hook.commands)
            self._of[command] = found
        return found


class HookedDomain(ABC):
    """The part of Domain with the hooks; see Domain."""

    def __init__(self) -> None:
        super().__init__()
        self.submit_hooks = Hooks()
        self.decide_hooks = Hooks()

    @abstractmethod
    def _command_classes(self) -> Mapping[type, CommandType]: ...

    @abstractmethod
    def stream_of(self, command: Any) -> str: ...

    @abstractmethod
    def key_of_command(self, name: str) -> str: ...

    @overload
    def before_submit(self, /, *commands: type[Any]) -> Callable[[H], H]: ...
    @overload
    def before_submit(self, hook: H, /) -> H: ...
    def before_submit(self, /, *given: Any) -> Any:
        """Declares a hook that runs before a command is submitted. commands: it runs only for these.

        It takes the command and at most a SubmitContext. It returns None, or a changed command with the same
        key of the aggregate. It raises Rejected to reject the command. Raises DefinitionError.
        """
        return self._hooking(self.submit_hooks, "before_submit", given, (1, SubmitContext))

    @overload
    def after_decide(self, /, *commands: type[Any]) -> Callable[[H], H]: ...
    @overload
    def after_decide(self, hook: H, /) -> H: ...
    def after_decide(self, /, *given: Any) -> Any:
        """Declares a hook that runs after a decision, before its commit. commands: it runs only for these.

        It takes the command, the decision (a tuple of events, or the Rejected that the decider raised), and
        at most a CommandContext. It returns None. It raises Rejected to reject the command.
        Raises DefinitionError.
        """
        return self._hooking(self.decide_hooks, "after_decide", given, (2, CommandContext))

    def prepared(self, type_: CommandType, command: Any, context: SubmitContext) -> Any:
        """The command after all before_submit hooks. Each changed command is checked again.

        Raises Rejected, InvalidCommand, and HookFailed if a hook raises or returns anything else.
        """
        for hook in self.submit_hooks.of(type_.cls):
            changed = hook(command, context)
            if changed is None:
                continue
            if type(changed) is not type_.cls:
                raise hook.failed(f"returned {type(changed).__name__} for a command {type_.name}")
            try:
                type_.check(changed)
            except InvalidCommand:
                raise
            except Exception as error:  # a predicate may raise anything
                raise hook.failed(f"returned an invalid {type_.name}: {error}") from error
            if self.stream_of(changed) != context.stream:
                key = self.key_of_command(type_.name)
                raise hook.failed(f"changed {type_.name}.{key}, the key of the aggregate")
            command = changed
        return command

    def decided(
        self, aggregate: AggregateType, state: Any, command: Any, context: Callable[[], CommandContext]
    ) -> tuple[Any, ...]:
        """The events of the aggregate's decision, unless an after_decide hook rejects the command.

        Raises Rejected, HookFailed, InvalidDecision and whatever the decider raises.
        """
        if not self.decide_hooks.all:
            return aggregate.decide(state, command, context)
        return self._unless_rejected(
            command, context, lambda: aggregate.decide(state, command, context), lambda events: events
        )

    def decided_across(
        self,
        decider: DeciderType,
        sources: Sequence[Source],
        states: Sequence[Any],
        command: Any,
        context: Callable[[], CommandContext],
    ) -> tuple[tuple[int, Any], ...]:
        """The same for a decider over several states; see DeciderType.decide."""
        if not self.decide_hooks.all:
            return decider.decide(sources, states, command, context)
        return self._unless_rejected(
            command,
            context,
            lambda: decider.decide(sources, states, command, context),
            lambda placed: tuple(event for _, event in placed),
        )

    def _unless_rejected(
        self,
        command: Any,
        context: Callable[[], CommandContext],
        decide: Callable[[], E],
        events: Callable[[E], tuple[Any, ...]],
    ) -> E:
        """What `decide` gives, unless an after_decide hook rejects the command. events: those in it."""
        decision: tuple[Any, ...] | Rejected
        try:
            decided = decide()
            decision = events(decided)
        except Rejected as rejection:
            decision = rejection
        for hook in self.decide_hooks.of(type(command)):
            answer = hook(command, decision, context())
            if answer is not None:
                raise hook.failed(f"returned {type(answer).__name__}; it must return None or raise Rejected")
        if isinstance(decision, Rejected):
            raise decision
        return decided

    def _hooking(
        self, hooks: Hooks, kind: str, given: Sequence[Any], takes: tuple[int, type]
    ) -> Callable[..., Any]:
        bare = len(given) == 1 and not isinstance(given[0], type)
        commands = () if bare else given
        for command in commands:
            if command not in self._command_classes():
                shown = getattr(command, "__name__", repr(command))
                raise DefinitionError(running(), f"{kind}: {shown} is not a command of this domain")

        def register(function: H) -> H:
            hooks.add(_hook(function, kind, commands, self._command_classes(), *takes))
            return function

        return register(given[0]) if bare else register


def _hook(
    function: Callable[..., Any],
    kind: str,
    commands: Sequence[type],
    known: Mapping[type, CommandType],
    fewest: int,
    context: type,
) -> Hook:
    if not inspect.isfunction(function):
        raise DefinitionError(running(), f"{function!r}: a {kind} hook must be a function")
    where, name = where_is(function), function.__name__
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise DefinitionError(
            where, f"{name}: a {kind} hook must be a plain function, not async and not a generator"
        )
    signature = inspect.signature(function).parameters.values()
    parameters = [p.name for p in signature if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    hints = hints_of(function, where, name)
    last = parameters[fewest:]
    wrong = len(parameters) != len(signature) or len(parameters) < fewest or len(last) > 1
    if wrong or (last and hints.get(last[0]) is not context):
        taken = "the command" if fewest == 1 else "the command, the decision"
        raise DefinitionError(
            where,
            f"{name} must take {taken} and at most a {context.__name__}, each as a positional parameter; "
            f"annotate the last one with {context.__name__}",
        )
    _check_command(hints.get(parameters[0], Any), commands, known, f"{name}: {parameters[0]}", where, kind)
    return Hook(kind, function, frozenset(commands) or None, len(parameters))


def _check_command(
    annotation: Any,
    commands: Sequence[type],
    known: Mapping[type, CommandType],
    label: str,
    where: str,
    kind: str,
) -> None:
    """The annotation of the command must allow each class that the hook is called with."""
    allowed = typing.get_args(annotation) or (annotation,)
    if not commands and all(one in known for one in allowed if isinstance(one, type)):
        named = ", ".join(one.__name__ for one in allowed if isinstance(one, type))
        if named:
            problem = f"{label} is {named}, but the hook is for all commands; write @….{kind}({named})"
            raise DefinitionError(where, problem)
    for command in commands:
        if not any(_takes(one, command) for one in allowed):
            raise DefinitionError(where, f"{label} does not take {command.__name__}")


def _takes(annotation: Any, command: type) -> bool:
    checkable = isinstance(annotation, type) and not getattr(annotation, "_is_protocol", False)
    return not checkable or issubclass(command, annotation)
