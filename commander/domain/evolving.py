"""What an aggregate and a decision model have in common: a state that is folded from events."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, partial
from typing import Any

from commander.domain.defaults import check_defaults_of_state
from commander.domain.errors import DefinitionError, InvalidDecision
from commander.domain.handlers import Handler
from commander.domain.mutability import is_mutable
from commander.domain.naming import Named
from commander.domain.returns import check_returns, not_of


class Evolving(Named):
    """The part of a type with its state. cls: the class of the states. evolvers: by event."""

    cls: type
    evolvers: Mapping[type, Callable[[Any, Any], Any]]

    def initial(self) -> Any:
        """The state before the first event."""
        return self.cls()

    @cached_property
    def is_mutable(self) -> bool:
        """Whether the domain's code could change a state in place."""
        return is_mutable(self.cls)

    def own(self, state: Any) -> Any:
        """A state that the domain's code may change in place: a copy if that is possible."""
        return copy.deepcopy(state) if self.is_mutable else state

    def evolve(self, state: Any, event: Any) -> Any:
        """The state after `event`. It may share parts with `state`, which must not be used any more.

        Raises InvalidDecision if the evolver returns anything but a state.
        """
        after = self.evolvers[type(event)](state, event)
        if not isinstance(after, self.cls):
            returned = f"{type(after).__name__}, not the next state, for {type(event).__name__}"
            raise InvalidDecision(f"an evolver of {self.cls.__name__} returned {returned}")
        return after

    def fold(self, events: Iterable[Any]) -> Any:
        """The state after these events, starting from the initial state."""
        state = self.initial()
        for event in events:
            state = self.evolve(state, event)
        return state


def check_initial(cls: type, where: str) -> None:
    """Raises DefinitionError unless the class makes a state without arguments."""
    try:
        cls()
    except Exception as error:  # a __post_init__ may raise anything
        raise DefinitionError(where, f"{cls.__name__}: every field needs a default ({error})") from error
    check_defaults_of_state(cls)


def check_is_method(handler: Handler, label: str) -> None:
    """Raises DefinitionError for a handler without a state."""
    if handler.bound != "instance":
        raise DefinitionError(handler.where, f"{label} must be a plain method: its self is the state")


def check_evolver(handler: Handler, cls: type, label: str) -> None:
    """Raises DefinitionError for an evolver that takes more than its event, or returns no state."""
    if handler.rest:
        raise DefinitionError(handler.where, f"{label} must take the event and nothing else")
    check_returns(handler, label, partial(not_of, cls, "the next state"))
