"""`@domain.revokes`: the events that end the access of a subject."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from commander.domain.checking import unusable_scalar
from commander.domain.errors import RAISED, DefinitionError
from commander.domain.handlers import handled_twice, hints_of
from commander.domain.messages import EventType
from commander.domain.source import raised, running, where_is

F = TypeVar("F", bound=Callable[[Any], str | None])


class RevokingFailed(Exception):
    """The function raised, or returned something else than a subject or None. The message says which."""


@dataclass(frozen=True)
class Revoking:
    """The function for one type of event. where: file:line."""

    function: Callable[[Any], str | None]
    where: str

    def subject(self, event: Any) -> str | None:
        """Whose tokens the event revokes. None: nobody's. Raises RevokingFailed."""
        name = self.function.__name__
        try:
            subject = self.function(event)
        except RAISED as error:
            raise RevokingFailed(f"{name} raised {raised(error)}") from error
        if subject is not None and (not isinstance(subject, str) or not subject or unusable_scalar(subject)):
            raise RevokingFailed(f"{name} returned {subject!r:.80}, which is no subject")
        return subject


class RevokingDomain(ABC):
    """The part of Domain with the decorator for revocations; see Domain."""

    def __init__(self) -> None:
        super().__init__()
        self.revoking: dict[str, Revoking] = {}

    @abstractmethod
    def _event_classes(self) -> Mapping[type, EventType]: ...

    def revokes(self, function: F, /) -> F:
        """Declares that an event ends the access of a subject. The annotation of the parameter names it.

            @bank.revokes
            def employee_left(event: EmployeeLeft) -> str:
                return event.user

        The function returns the subject, as tokens have it, or None. The tokens that the subject was given
        until the event are refused from then on, and its streams end. It is pure.
        """
        if not inspect.isfunction(function):
            raise DefinitionError(running(), f"{function!r:.80}: @revokes decorates a function")
        where, name = where_is(function), function.__name__
        if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
            raise DefinitionError(where, f"{name} must be a plain function, not async and not a generator")
        parameters = list(inspect.signature(function).parameters)
        event = hints_of(function, where, name).get(parameters[0]) if len(parameters) == 1 else None
        type_ = None if event is None else self._event_classes().get(event)
        if type_ is None:
            raise DefinitionError(
                where, f"{name} must take one parameter, annotated with an event of the domain"
            )
        if type_.name in self.revoking:
            raise DefinitionError(where, f"{name}: {handled_twice(type_.cls)}")
        self.revoking[type_.name] = Revoking(function, where)
        return function
