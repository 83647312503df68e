"""Recurring commands: a function from the time of a tick to the commands to send."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from commander.domain.cron import Cron, InvalidCron, parse_cron
from commander.domain.errors import DefinitionError
from commander.domain.naming import GivenNames
from commander.domain.reactions import Later, answered
from commander.domain.source import running, where_is


@dataclass(frozen=True)
class RecurringType:
    """The commands that are sent at each tick of a cron expression. name: the stored name, see Named."""

    name: str
    cron: Cron
    function: Callable[[datetime], Any]
    where: str

    def commands_at(self, tick: datetime) -> tuple[Any, ...]:
        """The commands of one tick. Raises InvalidDecision and whatever the function raises."""
        reaction = answered(self.function(tick), None, self.name, keyed=False)
        return tuple(one.command if isinstance(one, Later) else one for one in reaction.commands)


def recurring_type(expression: str, function: Callable[[datetime], Any], names: GivenNames) -> RecurringType:
    """Parses the expression and checks the function. Raises DefinitionError."""
    where, name = where_is(function), names.name
    try:
        cron = parse_cron(expression)
    except InvalidCron as error:
        raise DefinitionError(running(), f"{name}: {error}") from error
    if len(inspect.signature(function).parameters) != 1 or inspect.iscoroutinefunction(function):
        problem = "must be a plain function of one parameter, the time of the tick"
        raise DefinitionError(where, f"{name} {problem}")
    return RecurringType(names.stored, cron, function, where)
