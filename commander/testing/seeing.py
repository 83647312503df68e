"""Test the rules of rows and events: who sees them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from commander.domain import Domain, Viewer
from commander.domain.filters import matches
from commander.domain.messages import EventType
from commander.domain.projections import declared_rows
from commander.domain.rights import SameRow
from commander.testing.domains import domain_of
from commander.testing.projecting import rows


def can_see(viewer: Viewer, shown: Any, *, given: Iterable[Any] = (), key: Any = None) -> bool:
    """Whether the viewer sees a row or an event.

    given: the events before an event whose rule is `same_as`, so that there is the row. key: the key of the
    event's stream, if that rule needs it and the event does not have it.
    Raises TypeError for anything else, and RuleFailed.
    """
    declared = declared_rows(type(shown))
    if len(declared) > 1:
        raise TypeError(f"{type(shown).__name__} is the row of several projections")
    if declared:
        [(owner, projection)] = declared
        assert isinstance(owner, Domain), "a domain declares its rows"
        owner.check()
        return owner.rights(viewer).sees_row(projection, shown)
    domain = domain_of(shown)
    type_ = domain.type_of(shown)
    if not isinstance(type_, EventType):
        raise TypeError(f"{type_.name} is a command; can_see() takes a row or an event")
    rule = domain.rights(viewer).event_filter(type_)
    if matches(rule.own, shown):
        return True
    before = tuple(given)
    return any(_sees_row(domain, row, shown, before, key) for row in rule.rows)


def _sees_row(domain: Domain, same: SameRow, event: Any, before: tuple[Any, ...], key: Any) -> bool:
    aggregate = domain.aggregate_of_event(domain.type_of(event).name)
    if same.field is None and key is None:
        if not hasattr(event, aggregate.key):
            problem = "does not have the key of its stream, which its rule needs: give it with key="
            raise TypeError(f"{type(event).__name__} {problem}")
        key = getattr(event, aggregate.key)
    found = same.key_of(event, f"{aggregate.stored_name}-{key}")
    row = rows(domain, same.projection, (*before, event)).get(found)
    return row is not None and matches(same.filter, row)
