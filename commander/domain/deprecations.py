"""Marks what clients should no longer use. It works as before; the schema shows it as @deprecated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from commander.domain.errors import DefinitionError


@dataclass(frozen=True)
class Deprecated:
    """Marks a field of a command, an event, a row or a value object.

    Annotated[str | None, Deprecated("Use `reference`.")]

    reason: why, and what to use instead.
    """

    reason: str


def deprecation_of(metadata: Iterable[Any], where: str, at_field: str) -> str | None:
    """The reason in an annotation; None without one. Raises DefinitionError for a reason without text."""
    marks = [one for one in metadata if isinstance(one, Deprecated)]
    return checked_reason(marks[0].reason, where, at_field) if marks else None


def checked_reason(reason: Any, where: str, label: str) -> str | None:
    """Raises DefinitionError for a reason that is no text."""
    if reason is not None and (not isinstance(reason, str) or not reason.strip()):
        problem = "deprecated must be a text: why, and what to use instead"
        raise DefinitionError(where, f"{label}: {problem}")
    return reason
