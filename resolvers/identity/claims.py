"""From the claims of a token to a viewer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from commander.domain.checking import unusable_scalar
from commander.domain.errors import Unauthenticated
from commander.domain.viewers import Viewer

_LONGEST_SUBJECT = 256


@dataclass(frozen=True)
class ClaimNames:
    """The claims that the subject and the roles are in. A dot leads into an object: realm_access.roles."""

    subject: str = "sub"
    roles: str = "roles"

    def viewer(self, claims: Mapping[str, Any]) -> Viewer:
        """The viewer of a verified token. Raises Unauthenticated for a claim of another form."""
        subject = _found(claims, self.subject)
        if isinstance(subject, int) and not isinstance(subject, bool):
            subject = str(subject)
        if not isinstance(subject, str) or not subject or len(subject) > _LONGEST_SUBJECT:
            raise Unauthenticated(
                f"the claim {self.subject} of the token must be a text of 1 to {_LONGEST_SUBJECT} characters"
            )
        if problem := unusable_scalar(subject):
            raise Unauthenticated(f"the claim {self.subject} of the token {problem}")
        return Viewer(subject, self._roles(claims), MappingProxyType(dict(claims)))

    def _roles(self, claims: Mapping[str, Any]) -> frozenset[str]:
        """A list of names, an object whose keys are the names, or a text with blanks between them."""
        found = _found(claims, self.roles)
        if found is None:
            return frozenset()
        names = found.split() if isinstance(found, str) else found
        if not isinstance(names, list | dict) or not all(isinstance(name, str) for name in names):
            raise Unauthenticated(f"the claim {self.roles} of the token must be a list of texts")
        return frozenset(names)


def _found(claims: Mapping[str, Any], name: str) -> Any:
    """The claim of this name. None if there is none. A whole name comes before a path: many are URLs."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found
