"""The domain of a message."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from commander.domain import Domain

NOW = datetime(2000, 1, 1, tzinfo=UTC)
"""The time at which a test begins."""


def domain_of(message: Any) -> Domain:
    """The domain of an event or a command, checked as it is when it is loaded.

    Raises TypeError if it belongs to no domain, and DefinitionError.
    """
    owner = getattr(type(message), "__commander__", (None,))[0]
    if not isinstance(owner, Domain):
        raise TypeError(f"{type(message).__name__} is not an event or a command of a domain")
    owner.check()
    return owner
