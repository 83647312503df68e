"""Rules: who may send a command, and who sees a row or an event. See docs/rights.md.

    @bank.command(allow={"teller"})
    @bank.projection("account", key="account_id", visible=lambda viewer: where(owner=viewer.subject))
    @bank.event(visible=same_as("account"))

A rule is pure and synchronous. The functions in it get the viewer, or what the domain's own `@viewer`
function has made of it. This module has the rules as their author writes them, and the checks of their form.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from commander.domain.conditions import Where
from commander.domain.errors import DefinitionError, RuleFailed
from commander.domain.fields import Field
from commander.domain.roles import checked_roles
from commander.domain.source import where_is


@dataclass(frozen=True)
class Anyone:
    """The rule that is true for every viewer, signed in or not."""


@dataclass(frozen=True)
class AnyRule:
    """The rule that is true if one of these is. Made by `any_of`."""

    rules: tuple[Any, ...]

    @cached_property
    def parts(self) -> tuple[Any, ...]:
        """The same without any rule that only joins others."""
        return tuple(part for one in self.rules for part in parts_of(one))


@dataclass(frozen=True)
class SameAs:
    """The rule of an event that is visible to whoever may see a row. Made by `same_as`."""

    projection: str
    key: str | None = None


@dataclass(frozen=True)
class Roles:
    """The rule that is true for viewers with one of these roles."""

    names: frozenset[str]


@dataclass(frozen=True)
class Asked:
    """The rule that a function decides. parameters: how many of its arguments it takes. where: file:line."""

    function: Callable[..., Any]
    parameters: int
    where: str


Rule = Anyone | Roles | Asked | Where | SameAs | AnyRule
Allow = Set[str] | Anyone | AnyRule | Callable[..., bool]
"""Who may send a command: roles, `anyone`, `any_of(…)`, or a function of viewer, command and state, as many
of them as it takes."""
Visibility = Set[str] | Anyone | AnyRule | Where | SameAs | Callable[[Any], Any]
"""Who sees a row or an event: roles, `anyone`, `any_of(…)`, a condition, or a function from the viewer to a
condition or a bool; for an event also `same_as(…)`."""

anyone = Anyone()


def any_of(*rules: Any) -> AnyRule:
    """The rule that is true if at least one of these is: `any_of({"teller"}, owns)`."""
    return AnyRule(rules)


def same_as(projection: str, /, *, key: str | None = None) -> SameAs:
    """The rule of an event: it is visible to whoever may see the row of this projection.

    key: the field of the event that holds the row's key. By default the field with the name of the
    projection's key; if the event has none, the key of its stream.
    """
    return SameAs(projection, key)


def command_rule(given: Any, where: str, label: str) -> Rule | None:
    """The rule of `allow=`; None if none is given. Raises DefinitionError."""
    return (
        None if given is None else _rule(given, where, f"{label}: allow", ("viewer", "command", "state"), ())
    )


def row_rule(given: Any, fields: Sequence[Field], where: str, label: str) -> Rule | None:
    """The rule of a projection's `visible=`; None if none is given. Raises DefinitionError."""
    return _visible(given, fields, where, label, (Where,))


def event_rule(given: Any, fields: Sequence[Field], where: str, label: str) -> Rule | None:
    """The rule of an event's `visible=`; None if none is given. Raises DefinitionError."""
    return _visible(given, fields, where, label, (Where, SameAs))


def parts_of(rule: Rule | None) -> tuple[Rule, ...]:
    """The rules that it is made of, without those that only join others."""
    if isinstance(rule, AnyRule):
        return rule.parts
    return () if rule is None else (rule,)


def _visible(
    given: Any, fields: Sequence[Field], where: str, label: str, also: tuple[type, ...]
) -> Rule | None:
    if given is None:
        return None
    rule = _rule(given, where, f"{label}: visible", ("viewer",), also)
    named = {field.name: field for field in fields}
    for part in parts_of(rule):
        if isinstance(part, Where):
            try:
                part.filter(named, label)
            except RuleFailed as error:
                raise DefinitionError(where, str(error)) from error
    return rule


def _rule(given: Any, where: str, label: str, takes: tuple[str, ...], also: tuple[type, ...]) -> Rule:
    """takes: the parameters that a function may have. also: what may be given beside roles and functions."""
    made: Rule
    match given:
        case Anyone():
            return Anyone()
        case AnyRule(rules):
            if not rules:
                raise DefinitionError(where, f"{label}: any_of() needs at least one rule")
            return AnyRule(tuple(_rule(one, where, label, takes, also) for one in rules))
        case _ if any(isinstance(given, one) for one in also):
            made = given
            return made
        case Where() | SameAs():
            name = "where" if isinstance(given, Where) else "same_as"
            raise DefinitionError(where, f"{label}: {name}(…) cannot be used here{_instead(given, takes)}")
        case Set():
            return Roles(checked_roles(given, where, label))
        case _ if callable(given) and not isinstance(given, type):
            return _asked(given, label, takes, where)
    shown = f'{{"{given}"}}, a set of roles' if isinstance(given, str) else f"{_choices(takes)}"
    raise DefinitionError(where, f"{label}: write {shown}; got {given!r:.80}")


def _instead(given: Where | SameAs, takes: tuple[str, ...]) -> str:
    if isinstance(given, SameAs):
        return "; it is for events"
    return "; write a function of " + ", ".join(takes) if len(takes) > 1 else ""


def _choices(takes: tuple[str, ...]) -> str:
    return f"a set of roles, anyone, any_of(…) or a function of {', '.join(takes)}"


def _asked(function: Callable[..., Any], label: str, takes: tuple[str, ...], where: str) -> Asked:
    at = where_is(function) if inspect.isfunction(function) else where
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise DefinitionError(at, f"{label}: a rule must be a plain function, not async and not a generator")
    try:
        signature = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:  # a function in C
        raise DefinitionError(at, f"{label}: the parameters of {function!r:.80} are not known") from error
    positional = [p for p in signature if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(positional) != len(signature) or not 1 <= len(positional) <= len(takes):
        most = (
            "the viewer"
            if len(takes) == 1
            else f"{', '.join(takes[:-1])} and {takes[-1]}, or the first of them"
        )
        raise DefinitionError(at, f"{label}: a rule takes {most}, each as a positional parameter")
    return Asked(function, len(positional), at)
