"""Roles, as rules name them, and `Visible`, which shows a field only to some of them."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass
from typing import Any

from commander.domain.errors import DefinitionError


@dataclass(frozen=True)
class Visible:
    """Shows a field of a row, an event or a command only to viewers who have one of these roles.

    Annotated[str, Visible({"teller"})]

    For all others the field is null, and nothing can be asked that depends on its value. Operators see it.
    """

    roles: Set[str]


def visible_to(metadata: Iterable[Any], where: str, at_field: str) -> frozenset[str] | None:
    """The roles that see a field with this metadata; None if all do. Raises DefinitionError."""
    marks = [one for one in metadata if isinstance(one, Visible)]
    if len(marks) > 1:
        raise DefinitionError(where, f"{at_field}: write one Visible with all roles, not {len(marks)}")
    return checked_roles(marks[0].roles, where, f"{at_field}: Visible") if marks else None


def checked_roles(roles: Any, where: str, label: str) -> frozenset[str]:
    """Raises DefinitionError unless it is a set of texts."""
    if isinstance(roles, str):
        raise DefinitionError(where, f'{label}: write the roles as a set: {{"{roles}"}}')
    if not isinstance(roles, Set) or not all(isinstance(one, str) and one for one in roles):
        raise DefinitionError(where, f"{label} takes a set of roles, each a text; got {roles!r:.80}")
    return frozenset(roles)
