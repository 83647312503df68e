"""Decision models: small states that are folded from a query of the log, not from one stream.

    @school.decision_model(tags=("course_id",))
    class Seats:
        taken: int = 0

        def enrolled(self, event: StudentEnrolled) -> "Seats": ...

The query finds the events of the types that the model evolves by, with the values of the tags that the
command of its decider has, in all streams.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from commander.domain.errors import DefinitionError
from commander.domain.evolving import Evolving, check_evolver, check_initial, check_is_method
from commander.domain.fields import Field
from commander.domain.handlers import handled_twice, handlers_of
from commander.domain.messages import CommandType, EventType, registered
from commander.domain.naming import GivenNames
from commander.domain.source import where_is


@dataclass(frozen=True)
class DecisionModelType(Evolving):
    """A state that a decider takes beside those of streams. tags: the names of fields of its events.

    name: see Named. Nothing is stored under it. where: file:line.
    """

    name: str
    cls: type
    tags: tuple[str, ...]
    evolvers: Mapping[type, Callable[[Any, Any], Any]]
    where: str
    was: tuple[str, ...] = ()

    @cached_property
    def event_types(self) -> tuple[str, ...]:
        """The stored names of the events that it evolves by, sorted."""
        return tuple(sorted(registered(event).stored_name for event in self.evolvers))


def decision_model_type(
    cls: type,
    tags: Any,
    commands: Mapping[type, CommandType],
    events: Mapping[type, EventType],
    names: GivenNames,
) -> DecisionModelType:
    """Collects and checks the evolvers, which are methods that take an event. Raises DefinitionError."""
    where = where_is(cls)
    _check_tags(cls, tags, where)
    check_initial(cls, where)
    evolvers: dict[type, Callable[[Any, Any], Any]] = {}
    for handler in handlers_of(cls):
        label = f"{cls.__name__}.{handler.name}"
        if handler.parameter in commands:
            problem = "a decision model only evolves; decide in a function with @domain.decider()"
            raise DefinitionError(handler.where, f"{label} takes a command: {problem}")
        if handler.parameter in events:
            check_is_method(handler, label)
            check_evolver(handler, cls, label)
            if handler.parameter in evolvers:
                raise DefinitionError(handler.where, f"{label}: {handled_twice(handler.parameter)}")
            _check_tagged(events[handler.parameter], tags, label, handler.where)
            evolvers[handler.parameter] = handler.function
    if not evolvers:
        raise DefinitionError(where, f"{cls.__name__}: no method takes an event, so its state never changes")
    for tag in tags:
        _check_one_type([events[cls] for cls in evolvers], tag, cls, where)
    return DecisionModelType(names.name, cls, tuple(tags), evolvers, where)


def _check_tags(cls: type, tags: Any, where: str) -> None:
    if isinstance(tags, str):
        raise DefinitionError(where, f"{cls.__name__}: tags must be a tuple of names: tags=({tags!r},)")
    if not isinstance(tags, Sequence) or not tags or not all(isinstance(tag, str) for tag in tags):
        problem = f"tags must be a tuple of names of fields of its events, at least one; got {tags!r:.80}"
        raise DefinitionError(where, f"{cls.__name__}: {problem}")
    if len(set(tags)) < len(tags):
        raise DefinitionError(where, f"{cls.__name__}: tags has a name twice: {tuple(tags)}")


def _check_tagged(event: EventType, tags: Sequence[str], label: str, where: str) -> None:
    for tag in tags:
        if tag not in event.tagged:
            mark = f"{tag}: Annotated[…, Tag()]"
            raise DefinitionError(where, f"{label}: {event.name} has no tag {tag}; write {mark} in it")


def _check_one_type(events: Sequence[EventType], tag: str, cls: type, where: str) -> None:
    first, *others = events
    for other in others:
        if tagged_field(first, tag).python is not tagged_field(other, tag).python:
            problem = f"the tag {tag} has another type in {other.name} than in {first.name}"
            raise DefinitionError(where, f"{cls.__name__}: {problem}")


def tagged_field(event: EventType, tag: str) -> Field:
    """The field of an event with this tag."""
    return next(field for field in event.fields if field.name == tag)
