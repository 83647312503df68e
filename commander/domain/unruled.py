"""The types of a domain without a rule: with authentication on, they are for operators alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from commander.domain.fields import ScalarType
from commander.domain.messages import CommandType, EventType
from commander.domain.projections import ProjectionType

_ROLES = '{"some role"}'
_PEOPLE = ("owner", "subject", "user", "customer", "author", "member")


class Types(Protocol):
    """A domain."""

    name: str
    commands: dict[str, CommandType]
    events: dict[str, EventType]
    projections: dict[str, ProjectionType]


class Unruled(NamedTuple):
    """A type without a rule. kind: command, event or projection. line: what its author could write.

    where: file:line of the type.
    """

    kind: str
    name: str
    where: str
    line: str


def unruled(domain: Types) -> Iterator[Unruled]:
    """The types without a rule, in the order of their definition. Internal commands need none."""
    for command in domain.commands.values():
        if command.allow is None and not command.internal:
            line = f"@{domain.name}.command(allow={_ROLES})"
            yield Unruled("command", command.name, command.where, line)
    for projection in domain.projections.values():
        if projection.visible is None:
            rule = _rule_of(projection)
            line = f'@{domain.name}.projection("{projection.query}", key="{projection.key}", visible={rule})'
            yield Unruled("projection", projection.query, projection.where, line)
    for event in domain.events.values():
        if event.visible is None:
            row = next((p for p in domain.projections.values() if _is_of(event, p)), None)
            rule = _ROLES if row is None else f'same_as("{row.query}")'
            yield Unruled("event", event.name, event.where, f"@{domain.name}.event(visible={rule})")


def _rule_of(projection: ProjectionType) -> str:
    """A rule by the field that names a person, if there is one."""
    for field in projection.fields:
        text = isinstance(field.type, ScalarType) and field.type.python is str
        if text and field.name.removesuffix("_id") in _PEOPLE:
            return f"lambda viewer: where({field.name}=viewer.subject)"
    return _ROLES


def _is_of(event: EventType, projection: ProjectionType) -> bool:
    """Whether the event changes the row whose key it holds."""
    handler = projection.handlers.get(event.cls)
    return handler is not None and handler.by_own_key
