"""The part of a domain with its rules: the viewer that they see, and the rights of a viewer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from commander.domain.aggregates import AggregateType
from commander.domain.errors import DefinitionError, RuleFailed
from commander.domain.fields import Field
from commander.domain.messages import CommandType, EventType
from commander.domain.own_viewers import OwnViewer, own_viewer, seen_by_rules
from commander.domain.projections import ProjectionType
from commander.domain.rights import OPERATORS, Rights, Verdict, row_of, verdict
from commander.domain.rules import Asked, Roles, Rule, SameAs, parts_of
from commander.domain.senders import Sender
from commander.domain.source import running
from commander.domain.viewers import NOBODY, Viewer

V = TypeVar("V", bound=Callable[[Viewer], Any])


class RuledDomain(ABC):
    """The part of Domain with its rules; see Domain."""

    def __init__(self) -> None:
        super().__init__()
        self.projections: dict[str, ProjectionType] = {}
        self.own_viewer: OwnViewer | None = None

    @abstractmethod
    def _command_classes(self) -> Mapping[type, CommandType]: ...

    @abstractmethod
    def _event_classes(self) -> Mapping[type, EventType]: ...

    @abstractmethod
    def key_fields_of(self, aggregate: AggregateType) -> Iterator[Field]: ...

    @abstractmethod
    def aggregate_of_event(self, name: str) -> AggregateType: ...

    def viewer(self, function: V, /) -> V:
        """Declares the function that makes the viewer that this domain's rules see, from a Viewer.

        Its result must be hashable and have an exact form in JSON, like a frozen dataclass: it is stored
        with a command whose rule is decided later. Raises DefinitionError.
        """
        if self.own_viewer is not None:
            raise DefinitionError(running(), f"the domain has a viewer function at {self.own_viewer.where}")
        self.own_viewer = own_viewer(function)
        return function

    def rights(self, viewer: Viewer, operator_roles: frozenset[str] = OPERATORS) -> Rights:
        """What this viewer may send and see. Keep the result for all requests with the same token."""
        return Rights(self, viewer, not operator_roles.isdisjoint(viewer.roles))

    def may_send(self, type_: CommandType, sender: Sender, command: Any, state: Any) -> bool:
        """Whether the rule of the command allows it in this state. Pure. Raises RuleFailed."""
        if type_.allow is None:
            return False
        own = seen_by_rules(sender, self.own_viewer)
        return (
            verdict(type_.allow, type_.name, frozenset(sender.roles), own, command, state, True)
            is Verdict.ALLOWED
        )

    def _check_rules(self) -> None:
        """Raises DefinitionError for a rule that names what does not exist, as far as that can be found.

        The functions of rows and events are called, for a viewer who is not signed in and for one with all
        roles. What they raise does not count: they may need more of a viewer than these have.
        """
        for event in self._event_classes().values():
            key = self.aggregate_of_event(event.name).key
            if any(field.name == key and field.visible_to is not None for field in event.fields):
                problem = f"{event.name}.{key}: the key of its aggregate cannot be hidden"
                raise DefinitionError(event.where, problem)
            for part in parts_of(event.visible):
                if isinstance(part, SameAs):
                    self._check_same(part, event)
        viewers = [NOBODY, Viewer("someone", frozenset(self._roles()))]
        for viewer in viewers:
            rights = Rights(self, viewer, False)
            for event in self._event_classes().values():
                _probe(event.visible, event.where, lambda: rights.event_filter(event))  # noqa: B023
            for projection in self.projections.values():
                _probe(projection.visible, projection.where, lambda: rights.row_filter(projection))  # noqa: B023

    def _check_same(self, same: SameAs, event: EventType) -> None:
        try:
            projection, field = row_of(self, same, event)
        except RuleFailed as error:
            raise DefinitionError(event.where, str(error)) from error
        if field is not None:
            return
        aggregate = self.aggregate_of_event(event.name)
        if (
            key := next(self.key_fields_of(aggregate), None)
        ) is not None and key.type != projection.key_field.type:
            row = f"{projection.cls.__name__}.{projection.key}"
            problem = f"the key {key.name} of its stream is not of the type of {row}"
            raise DefinitionError(event.where, f"{event.name}: same_as({same.projection!r}): {problem}")

    def _roles(self) -> Iterator[str]:
        """The roles that rules name."""
        rules: list[Rule | None] = [one.allow for one in self._command_classes().values()]
        rules += [one.visible for one in self._event_classes().values()]
        rules += [one.visible for one in self.projections.values()]
        for rule in rules:
            for part in parts_of(rule):
                if isinstance(part, Roles):
                    yield from part.names


def _probe(rule: Rule | None, where: str, resolve: Callable[[], object]) -> None:
    """Raises DefinitionError if a rule cannot be resolved, unless a function of the author's raised."""
    try:
        resolve()
    except RuleFailed as error:
        if error.__cause__ is None:
            asked = [part.where for part in parts_of(rule) if isinstance(part, Asked)]
            raise DefinitionError(asked[0] if len(asked) == 1 else where, str(error)) from error
