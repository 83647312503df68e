"""Commands that recur: a function from the moment of a tick to what is then sent."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from commander.domain.cron import Cron, InvalidCron, parse_cron
from commander.domain.errors import DefinitionError
from commander.domain.reactions import Later, answered
from commander.domain.source import running, where_is


@dataclass(frozen=True)
class RecurringType:
    """What is sent at each tick of a cron expression."""

    name: str
    cron: Cron
    function: Callable[[datetime], Any]
    where: str

    def commands_at(self, tick: datetime) -> tuple[Any, ...]:
        """The commands of one tick. Raises what the function raises, and InvalidDecision."""
        reaction = answered(self.function(tick), None, self.name, keyed=False)
        return tuple(one.command if isinstance(one, Later) else one for one in reaction.commands)


def recurring_type(expression: str, function: Callable[[datetime], Any]) -> RecurringType:
    where = where_is(function)
    name = getattr(function, "__name__", "")
    try:
        cron = parse_cron(expression)
    except InvalidCron as error:
        raise DefinitionError(running(), f"{name}: {error}") from error
    if len(inspect.signature(function).parameters) != 1 or inspect.iscoroutinefunction(function):
        raise DefinitionError(where, f"{name} takes the moment of its tick, and is not async")
    return RecurringType(name, cron, function, where)
