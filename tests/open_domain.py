"""A domain whose rules let everyone send and see everything, for tests of something else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from commander import Domain
from commander.domain.rules import Anyone
from commander.resolvers.identity.access import ANONYMOUS


@contextmanager
def open_to_anyone(domain: Domain) -> Iterator[None]:
    """While it is open, each rule of the domain is `anyone`."""
    rules: list[tuple[object, str, object]] = [(one, "allow", one.allow) for one in domain.commands.values()]
    rules += [(one, "visible", one.visible) for one in domain.events.values()]
    rules += [(one, "visible", one.visible) for one in domain.projections.values()]
    for type_, name, _ in rules:
        object.__setattr__(type_, name, Anyone())
    ANONYMOUS.rights.clear()  # what was resolved before
    try:
        yield
    finally:
        for type_, name, rule in rules:
            object.__setattr__(type_, name, rule)
        ANONYMOUS.rights.clear()
