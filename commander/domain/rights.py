"""Rights: the rules of a domain, resolved for one viewer.

Who asks for rows, events or fields asks the same object, so a rule has one meaning everywhere. Resolved
rules are hashable, and equal for two viewers who see the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum
from functools import cached_property
from typing import Any, Protocol
from uuid import UUID

import msgspec

from commander.domain.conditions import Where
from commander.domain.errors import RuleFailed
from commander.domain.fields import Field
from commander.domain.filters import EVERY_ROW, NO_ROW, AnyOf, Filter, matches, reduced
from commander.domain.guarding import guarded
from commander.domain.messages import CommandType, EventType
from commander.domain.own_viewers import OwnViewer
from commander.domain.projections import ProjectionType
from commander.domain.rules import Anyone, AnyRule, Asked, Roles, Rule, SameAs, parts_of
from commander.domain.senders import Sender
from commander.domain.viewers import Viewer

FORBIDDEN = "FORBIDDEN"
"""The code of a command that its sender may not send."""
FORBIDDEN_MESSAGE = "you may not send this command"
OPERATORS = frozenset({"operator"})
"""The roles of operators, unless a setting names others."""


class Verdict(Enum):
    """Whether a viewer may send a command. NEEDS_STATE: it is decided with the command, on its state."""

    ALLOWED = "ALLOWED"
    FORBIDDEN = "FORBIDDEN"
    NEEDS_STATE = "NEEDS_STATE"


@dataclass(frozen=True)
class SameRow:
    """A row that decides whether an event is visible.

    projection: its stored name. key: the field of its key. field: the event's field with the key; None: the
    stream has it. filter: the event is visible if the row matches it; never EVERY_ROW or NO_ROW.
    """

    projection: str
    key: Field
    field: str | None
    filter: Filter

    def key_of(self, event: Any, stream: str) -> Any:
        """The key of the row for an event of this stream; None if the event has none."""
        if self.field is not None:
            return getattr(event, self.field)
        return _parsed(self.key.type.python, stream.partition("-")[2])


@dataclass(frozen=True)
class EventRule:
    """Which events of a type a viewer sees: those that match `own`, and those with one of these rows."""

    own: Filter
    rows: tuple[SameRow, ...] = ()


EVERY_EVENT = EventRule(EVERY_ROW)
NO_EVENT = EventRule(NO_ROW)


class Ruled(Protocol):
    """What a domain declares that its rules need. own_viewer: its `@viewer` function."""

    projections: dict[str, ProjectionType]
    own_viewer: OwnViewer | None


class Rights:
    """What one viewer may send and see. A resolved rule is kept, so keep the object for the viewer's
    requests.

    viewer: who it is. is_operator: sees everything, and sends commands without a rule. The methods raise
    RuleFailed if a rule raises, or returns a wrong value.
    """

    def __init__(self, domain: Ruled, viewer: Viewer, is_operator: bool) -> None:
        self.viewer = viewer
        self.is_operator = is_operator
        self._domain = domain
        self._rows: dict[str, Filter] = {}
        self._events: dict[str, EventRule] = {}
        self._hidden: dict[type, frozenset[str]] = {}
        self._senders: dict[tuple[str, bool], Sender] = {}
        self._same_for_all: dict[str, Verdict] = {}  # of types whose rules ask no function before the state

    @cached_property
    def own(self) -> Any:
        """What the rules see of the viewer. Raises RuleFailed if the domain's `@viewer` function raises."""
        own_viewer = self._domain.own_viewer
        return self.viewer if own_viewer is None else own_viewer.of(self.viewer)

    def row_filter(self, projection: ProjectionType) -> Filter:
        """The rows that the viewer sees: EVERY_ROW, NO_ROW, or another filter."""
        if self.is_operator:
            return EVERY_ROW
        found = self._rows.get(projection.name)
        if found is None:
            found, same = self._resolved(projection.visible, projection.query, projection.fields)
            if same:
                raise RuleFailed(f"the rule of {projection.query} returned same_as(…), which is for events")
            self._rows[projection.name] = found
        return found

    def event_filter(self, event: EventType) -> EventRule:
        """The events of this type that the viewer sees: EVERY_EVENT, NO_EVENT, or another rule."""
        if self.is_operator:
            return EVERY_EVENT
        found = self._events.get(event.stored_name)
        if found is None:
            found = self._events[event.stored_name] = self._event_rule(event)
        return found

    def sees_row(self, projection: ProjectionType, row: Any) -> bool:
        """Whether the viewer sees a row."""
        return matches(self.row_filter(projection), row)

    def hidden(self, type_: EventType | CommandType | ProjectionType) -> frozenset[str]:
        """The names of the fields that the viewer does not see."""
        found = self._hidden.get(type_.cls)
        if found is None:
            limited = (
                (field.name, field.visible_to) for field in type_.fields if field.visible_to is not None
            )
            names = (
                name
                for name, roles in limited
                if not self.is_operator and roles.isdisjoint(self.viewer.roles)
            )
            found = self._hidden[type_.cls] = frozenset(names)
        return found

    def may_submit(self, type_: CommandType, command: Any) -> Verdict:
        """Whether the viewer may send the command."""
        found = self._same_for_all.get(type_.name)
        if found is not None:
            return found
        if type_.allow is None:
            found = Verdict.ALLOWED if self.is_operator else Verdict.FORBIDDEN
        else:
            found = verdict(type_.allow, type_.name, self.viewer.roles, self.own, command)
        if not any(isinstance(part, Asked) and part.parameters < 3 for part in parts_of(type_.allow)):
            self._same_for_all[type_.name] = found
        return found

    def sender(self, type_: CommandType, verdict: Verdict) -> Sender:
        """What travels with a command of this type that the viewer may send, by this verdict."""
        by_state = verdict is Verdict.NEEDS_STATE
        found = self._senders.get((type_.name, by_state))
        if found is None:
            found = self._senders[type_.name, by_state] = self._sender(type_, by_state)
        return found

    def _sender(self, type_: CommandType, by_state: bool) -> Sender:
        own = claims = None
        if any(isinstance(part, Asked) for part in parts_of(type_.allow)):
            if self._domain.own_viewer is not None:
                own = self._domain.own_viewer.encode(self.own)
            elif self.viewer.claims:
                claims = msgspec.json.encode(dict(self.viewer.claims)).decode()
        roles = tuple(sorted(self.viewer.roles))
        return Sender(self.viewer.subject, roles, own, claims, by_state)

    def _event_rule(self, event: EventType) -> EventRule:
        own, same = self._resolved(event.visible, event.name, event.fields)
        rows: list[SameRow] = []
        for one in same:
            projection, field = row_of(self._domain, one, event)
            filter_ = self.row_filter(projection)
            if filter_ == EVERY_ROW:
                return EVERY_EVENT
            if filter_ != NO_ROW:
                rows.append(SameRow(projection.name, projection.key_field, field, filter_))
        return EVERY_EVENT if own == EVERY_ROW else EventRule(own, tuple(dict.fromkeys(rows)))

    def _resolved(
        self, rule: Rule | None, label: str, fields: tuple[Field, ...]
    ) -> tuple[Filter, tuple[SameAs, ...]]:
        """The filter of a rule of rows or events, and the rows that decide beside it."""
        named = {field.name: field for field in fields}
        filters: list[Filter] = []
        same: list[SameAs] = []
        for part in parts_of(rule):
            for one in _answer(part, label, self.own) if isinstance(part, Asked) else (part,):
                match one:
                    case Anyone() | True:
                        filters.append(EVERY_ROW)
                    case Roles(names):
                        filters.append(NO_ROW if names.isdisjoint(self.viewer.roles) else EVERY_ROW)
                    case Where():
                        filters.append(one.filter(named, label))
                    case SameAs():
                        same.append(one)
                    case False:
                        pass
                    case _:
                        problem = f"returned {one!r:.80}; it must return where(…), or True or False"
                        raise RuleFailed(f"the rule of {label} {problem}")
        return reduced(AnyOf(tuple(filters))), tuple(same)


def verdict(
    rule: Rule,
    label: str,
    roles: frozenset[str],
    own: Any,
    command: Any,
    state: Any = None,
    has_state: bool = False,
) -> Verdict:
    """The verdict of a command's rule. With a state it is never NEEDS_STATE. Raises RuleFailed."""
    waits = False
    for part in parts_of(rule):
        match part:
            case Anyone():
                return Verdict.ALLOWED
            case Roles(names):
                if not names.isdisjoint(roles):
                    return Verdict.ALLOWED
            case Asked(parameters=3) if not has_state:
                waits = True
            case Asked():
                answer = called(part, label, own, command, state)
                if answer is not True and answer is not False:
                    raise RuleFailed(f"the rule of {label} returned {answer!r:.80}, not True or False")
                if answer:
                    return Verdict.ALLOWED
    return Verdict.NEEDS_STATE if waits else Verdict.FORBIDDEN


def _answer(rule: Asked, label: str, own: Any) -> tuple[Any, ...]:
    """What a rule of rows or events returns, one by one if it is `any_of(…)`."""
    answer = called(rule, label, own)
    return tuple(parts_of(answer)) if isinstance(answer, AnyRule) else (answer,)


def called(rule: Asked, label: str, *given: Any) -> Any:
    """What the function of a rule returns. Raises RuleFailed, with the cause, if it raises."""
    return guarded(lambda: rule.function(*given[: rule.parameters]), f"the rule of {label}")


def row_of(domain: Ruled, same: SameAs, event: EventType) -> tuple[ProjectionType, str | None]:
    """The projection that `same_as` names, and the event's field with its key; None if the stream has the
    key.

    Raises RuleFailed.
    """
    found = (one for one in domain.projections.values() if same.projection in (one.query, one.name))
    projection = next(found, None)
    if projection is None:
        raise RuleFailed(f"{event.name}: there is no projection {same.projection}, which same_as() names")
    fields: Mapping[str, Field] = {field.name: field for field in event.fields}
    key = projection.key_field
    if same.key is None and key.name not in fields:
        return projection, None
    name = same.key or key.name
    if name not in fields:
        raise RuleFailed(f"{event.name} has no field {name}, which same_as() names")
    if fields[name].type != key.type:
        problem = f"must be of the same type as {projection.cls.__name__}.{key.name}"
        raise RuleFailed(f"{event.name}.{name} {problem}; name another field: same_as(…, key=…)")
    return projection, name


def _parsed(python: Any, text: str) -> Any:
    """The key of a stream from its text."""
    if python is UUID:
        return UUID(text)
    if python is date:
        return date.fromisoformat(text)
    return text if python is str else int(text)
