"""What viewers with some roles can ever send and see, whoever they are: only roles in rules are looked at.

A function or a condition can be true for somebody, so whoever it is about may get there.
"""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping
from typing import Any

from commander.domain.domain import Domain
from commander.domain.fields import Field
from commander.domain.messages import CommandType, EventType
from commander.domain.projections import ProjectionType
from commander.domain.returns import returned_classes
from commander.domain.rights import row_of
from commander.domain.rules import Roles, Rule, SameAs, parts_of


class Reach:
    """The types of a domain that viewers with these roles, who are no operators, can ever reach."""

    def __init__(self, domain: Domain, roles: frozenset[str]) -> None:
        self._domain = domain
        self._roles = roles
        self._made = {event for command in self.commands() for event in _events_of(domain, command)}

    def commands(self) -> list[CommandType]:
        """Those that they may send."""
        known = self._domain.commands.values()
        return [one for one in known if not one.internal and self._fits(one.allow)]

    def shows(self, type_: ProjectionType | EventType) -> bool:
        """Whether they may see some of this type. Who sends a command sees the events that it makes."""
        if isinstance(type_, ProjectionType):
            return self._fits(type_.visible)
        if type_.cls in self._made:
            return True
        return any(self._shows_event(type_, one) for one in parts_of(type_.visible))

    def hidden(self, type_: ProjectionType | EventType) -> list[Field]:
        """The fields that they never see."""
        limited = ((field, field.visible_to) for field in type_.fields)
        return [field for field, roles in limited if roles is not None and roles.isdisjoint(self._roles)]

    def _shows_event(self, event: EventType, part: Rule) -> bool:
        if isinstance(part, SameAs):
            projection, _ = row_of(self._domain, part, event)
            return self._fits(projection.visible)
        return self._fits(part)

    def _fits(self, rule: Rule | None) -> bool:
        return any(
            not isinstance(part, Roles) or not part.names.isdisjoint(self._roles) for part in parts_of(rule)
        )


def roles_in_rules(domain: Domain) -> frozenset[str]:
    """All roles that a rule of the domain, or a field, names."""
    types: list[CommandType | EventType | ProjectionType] = [
        *domain.commands.values(),
        *domain.events.values(),
        *domain.projections.values(),
    ]
    found = {role for type_ in types for field in type_.fields for role in field.visible_to or ()}
    for type_ in types:
        rule = type_.allow if isinstance(type_, CommandType) else type_.visible
        found |= {role for part in parts_of(rule) if isinstance(part, Roles) for role in part.names}
    return frozenset(found)


def _events_of(domain: Domain, command: CommandType) -> Iterable[type]:
    """The events that a command can make: by the annotation of its decider, or all that it may return."""
    decider = domain.deciders.get(command.name)
    aggregate = domain.aggregate_of_command(command.name)
    made: Mapping[type, Any] = aggregate.evolvers if decider is None else decider.events
    try:
        hints = typing.get_type_hints(
            aggregate.decider_functions[command.cls] if decider is None else decider.function
        )
    except (NameError, TypeError):  # an annotation with names of another scope
        hints = {}
    return [one for one in returned_classes(hints.get("return")) if one in made] or made
